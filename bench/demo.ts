/**
 * `deno task demo` as a user sees it: how fast the held-out loss falls, when the first work counts, whether states agree.
 *
 * It runs for three minutes and so is not part of a plain `deno task bench`. Seconds count from the moment the command
 * is typed; what Deno must download on a machine that never ran it is not in them.
 * @module
 */
import type { PeerEvent } from "../runtime/event.ts";
import type { Bench, BenchLine } from "./line.ts";
import { readLines } from "./read_lines.ts";

const MINUTES = 3;

/** The last line of the demo. */
interface Done {
  readonly kind: "done";
  readonly rounds: number;
  readonly tokens: number;
  readonly heldOutFirst: number | null;
  readonly heldOut: number | null;
  readonly digestsCompared: number;
  readonly digestsEqual: number;
  readonly elapsedMs: number;
}

export const demoBench: Bench = {
  name: "demo",
  question: `what does the demo reach in ${MINUTES} minutes?`,
  async *run() {
    const folder = await Deno.makeTempDir({ prefix: "starling-demo-" });
    const main = new URL("../cli/main.ts", import.meta.url).href;
    const startedAtMs = performance.now();
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", main, "demo", "--json", "--minutes", String(MINUTES), "--folder", folder],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    try {
      const seconds = () => (performance.now() - startedAtMs) / 1000;
      yield* follow(readLines(process.stdout), seconds);
    } finally {
      await process.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
};

/** A line for each state whose held-out loss a peer told, and one for the whole. */
async function* follow(lines: AsyncIterable<string>, seconds: () => number): AsyncGenerator<BenchLine> {
  let device = "", firstWorkSeconds: number | null = null, round = 0;
  let state = { seconds: 0, tokens: 0 };
  for await (const line of lines) {
    const event = JSON.parse(line) as PeerEvent | Done;
    if (event.kind === "device") device = event.description;
    if (event.kind === "round" && event.round > round) {
      round = event.round;
      const { heldOut, tokens, peers } = event; // the loss is of the state that this round began with
      if (heldOut !== null) yield { name: "state", device, round: round - 1, ...state, heldOut };
      yield { name: "round", device, round, peers, roundSeconds: event.roundMs / 1000 };
      state = { seconds: seconds(), tokens };
      if (tokens > 0) firstWorkSeconds ??= state.seconds; // the offer that a peer joins with is counted, but is empty
    }
    if (event.kind === "done") yield summary(event, { device, firstWorkSeconds });
  }
}

function summary(
  { rounds, tokens, heldOutFirst, heldOut, digestsCompared, digestsEqual, elapsedMs }: Done,
  { device, firstWorkSeconds }: { readonly device: string; readonly firstWorkSeconds: number | null },
): BenchLine {
  const seconds = elapsedMs / 1000;
  return {
    name: "whole demo",
    device,
    seconds,
    firstWorkSeconds,
    heldOutFirst,
    heldOutLast: heldOut,
    rounds,
    tokens,
    tokensPerSecond: tokens / seconds,
    digestsCompared,
    digestsEqual,
  };
}
