/**
 * What does averaging parameters cost in PyTorch, and what would lower it? A control of `one-machine` that shares no code
 * with it (`averaging_pytorch.py`): the same model, text and tokens, eight equal peers, one global batch.
 *
 * Each way has one learning rate; they are not swept as in the trials.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import { loadEmbeddedText } from "../runtime/data/embedded.ts";
import type { Bench } from "./line.ts";
import { deviationOf, meanOf } from "./proof/compare.ts";
import { rounded } from "./proof/proof_bench.ts";
import { MODEL, SEEDS, TOKENS } from "./proof/setting.ts";

const BATCH = 32, RATE = 8e-3;
const EIGHT = { peers: 8, steps: 21, rate: RATE } as const;

const WAYS = [
  { name: "one peer", settings: { peers: 1, steps: 21, rate: RATE } },
  { name: "eight peers, 21 steps a round", settings: EIGHT },
  { name: "eight peers, 5 steps", settings: { ...EIGHT, steps: 5 } },
  { name: "eight peers, 1 step", settings: { ...EIGHT, steps: 1, rate: RATE * Math.sqrt(8) } },
  { name: "eight peers, 21 steps, momentum 0.65", settings: { ...EIGHT, momentum: 0.65 } },
  { name: "eight peers, 21 steps, outer rate 2", settings: { ...EIGHT, outerRate: 2 } },
  {
    name: "eight peers, 21 steps, one machine's second moments",
    settings: { ...EIGHT, rate: RATE / 2, meanMoments: true },
  },
  {
    name: "eight peers, 5 steps, one machine's second moments",
    settings: { ...EIGHT, steps: 5, rate: RATE / 2, meanMoments: true },
  },
] as const;

export const averagingBench: Bench = {
  name: "averaging",
  question: "what does averaging the parameters of eight peers cost in PyTorch, and what would lower it?",
  async *run({ quick = false }) {
    const seeds = quick ? SEEDS.slice(0, 1) : SEEDS;
    try {
      for await (const { name, torch, losses } of runPytorch(seeds)) {
        const loss = rounded(meanOf(losses)), deviation = rounded(deviationOf(losses));
        yield { name, device: `PyTorch ${torch} cpu`, seeds: losses.length, loss, deviation };
      }
    } catch (error) {
      const reason = reasonOf(error);
      console.error(`Cannot run the control: ${reason}. Set STARLING_PYTHON to a Python that has torch`);
      yield { name: "control", device: "PyTorch, skipped", reason };
    }
  },
};

interface Found {
  readonly name: string;
  readonly torch: string;
  readonly losses: readonly number[];
}

/** A way after another, as it is done. */
async function* runPytorch(seeds: readonly number[]): AsyncGenerator<Found> {
  const python = Deno.env.get("STARLING_PYTHON") ?? "python3";
  const setting = { ...MODEL, tokens: TOKENS, batch: BATCH, seeds, ways: WAYS };
  const child = new Deno.Command(python, {
    args: [new URL("averaging_pytorch.py", import.meta.url).pathname, JSON.stringify(setting)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaint = new Response(child.stderr).text();
  const text = new Blob([await loadEmbeddedText()]).stream();
  await text.pipeTo(child.stdin).catch(() => {}); // a child that ended says why itself
  let rest = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as Found;
  }
  const { code } = await child.status;
  if (code !== 0) throw new Error(`${python} says: ${(await complaint).trim().split("\n").at(-1)}`);
}
