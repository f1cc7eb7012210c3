/**
 * `starling demo`: three unequal peers on this machine train on an embedded text and write a few lines.
 *
 * Nothing in it is staged: the peers are separate processes that run `starling start`, one of them throttled, and meet
 * over libp2p on loopback. This file only starts them, shows their events and sums up.
 * @module
 */
import { join } from "node:path";
import type { DeviceChoice } from "../runtime/device/open.ts";
import type { PeerEvent } from "../runtime/event.ts";
import { type Child, startChild } from "./child.ts";
import { EXIT, UsageError } from "./exit.ts";
import { clock, counted, nats, percent } from "./format.ts";
import { createRun } from "./init.ts";
import { exportModel } from "./export.ts";
import { aborted, BY_USER, listenForInterrupt } from "./interrupt.ts";
import { json, line, type Manner, note, raw } from "./print.ts";
import { sampleFrom } from "./sample.ts";
import { openScreen } from "./screen.ts";

export interface DemoOptions {
  readonly folder: string;
  readonly minutes: number;
  readonly peers: number;
  readonly untilLoss?: number;
  readonly device: DeviceChoice;
  readonly precision: "auto" | "f32" | "f16";
  readonly manner: Manner;
}

type Round = Extract<PeerEvent, { kind: "round" }>;

const NAMES = ["wren", "finch", "robin", "heron", "swift", "lark", "crane", "martin"];
/** Of the last peer: the slow machine of the demo. */
const THROTTLE = 50;
const PROMPT = "/**\n * The `fs.";
const MARGIN = "  | ";

/** Runs the demo and returns the exit code. */
export async function demo(options: DemoOptions): Promise<number> {
  if (options.peers < 1 || options.peers > NAMES.length) {
    throw new UsageError(`Cannot run the demo with ${options.peers} peers: it wants 1 to ${NAMES.length}`);
  }
  const startedAtMs = Date.now();
  const goal = {
    endsAtMs: startedAtMs + options.minutes * 60_000,
    ...(options.untilLoss === undefined ? {} : { untilLoss: options.untilLoss }),
  };
  await removeFormerDemo(options.folder);
  await createRun({ folder: options.folder, name: "demo", preset: "demo", membership: "private", seed: 1 });

  const tally = new Tally();
  using interrupt = listenForInterrupt();
  const timer = setTimeout(() => interrupt.stop("time"), options.minutes * 60_000);
  const peers: Child[] = [];
  let failedPeer = "";
  {
    using screen = openScreen(options.manner, () => ({ ...goal, agreement: tally.newest() }));
    screen.say(introduction(options));
    const first = Promise.withResolvers<readonly string[]>();
    const take = (name: string, event: PeerEvent) => {
      if (event.kind === "started") first.resolve(event.addresses);
      if (event.kind === "device" && name === NAMES[0]) screen.say(`Device: ${event.description}. ${event.reason}`);
      if (event.kind === "round") tally.add(name, event);
      if (options.manner === "json") json({ time: Date.now(), by: name, ...event });
      else if (name === NAMES[0]) screen.take(event);
      if (
        options.untilLoss !== undefined && event.kind === "round" && (event.heldOut ?? Infinity) <= options.untilLoss
      ) {
        interrupt.stop("loss reached");
      }
    };
    const start = (index: number, meet: readonly string[]): void => {
      const name = NAMES[index]!;
      const child = startChild({
        args: peerArguments(options, index, meet),
        onEvent: (event) => take(name, event),
      });
      peers.push(child);
      child.ended.then((code) => {
        if (interrupt.signal.aborted || code === EXIT.done) return;
        failedPeer = `${name} ended with exit code ${code}:\n${child.complaint()}`;
        interrupt.stop("a peer failed");
      });
    };
    start(0, []);
    const addresses = await Promise.race([first.promise, aborted(interrupt.signal).then(() => [])]);
    if (!interrupt.signal.aborted) {
      for (let index = 1; index < options.peers; index++) start(index, addresses);
      await aborted(interrupt.signal);
    }
    clearTimeout(timer);
    if (interrupt.signal.reason === BY_USER) screen.say("Stopping: each peer finishes the offer in hand.");
    await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
  }
  if (failedPeer !== "") {
    note(`The demo stopped because ${failedPeer}`);
    return EXIT.unexpected;
  }
  return await finish(options, tally, Date.now() - startedAtMs);
}

/** What every peer said of every round. */
class Tally {
  readonly #rounds = new Map<number, Map<string, Round>>();

  add(name: string, round: Round): void {
    const byName = this.#rounds.get(round.round) ?? new Map<string, Round>();
    byName.set(name, round);
    this.#rounds.set(round.round, byName);
  }

  /** One account of each round, in order. */
  history(): Round[] {
    return [...this.#rounds.entries()].sort(([a], [b]) => a - b).map(([, byName]) => [...byName.values()][0]!);
  }

  /** Rounds whose state more than one peer reported, and in how many of them all agreed. */
  agreement(): { readonly compared: number; readonly equal: number } {
    const shared = [...this.#rounds.values()].filter((byName) => byName.size > 1);
    const equal = shared.filter((byName) => new Set([...byName.values()].map(({ digest }) => digest)).size === 1);
    return { compared: shared.length, equal: equal.length };
  }

  /** For the live view: on how many peers the newest shared state is equal. */
  newest(): string {
    const shared = [...this.#rounds.entries()].filter(([, byName]) => byName.size > 1).sort(([a], [b]) => b - a)[0];
    if (shared === undefined) return "";
    const [round, byName] = shared, digests = [...byName.values()].map(({ digest }) => digest);
    const equal = digests.filter((digest) => digest === digests[0]).length;
    return `(round ${round}: equal on ${equal} of ${digests.length} peers)`;
  }

  tokensByName(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { members } of this.history()) {
      for (const { name, tokens } of members) sums.set(name, (sums.get(name) ?? 0) + tokens);
    }
    return sums;
  }

  /** The peer that went furthest. */
  leader(): string | undefined {
    const last = [...this.#rounds.keys()].sort((a, b) => b - a)[0];
    return last === undefined ? undefined : [...this.#rounds.get(last)!.keys()][0];
  }
}

async function finish(options: DemoOptions, tally: Tally, elapsedMs: number): Promise<number> {
  const rounds = tally.history(), last = rounds.at(-1);
  if (last === undefined) {
    if (options.manner === "json") json({ time: Date.now(), kind: "done", rounds: 0, elapsedMs });
    else line(`Stopped after ${clock(elapsedMs)}, before the first round was done. Nothing was kept.`);
    return EXIT.done;
  }
  const heldOuts = rounds.flatMap(({ heldOut }) => heldOut === null ? [] : [heldOut]);
  const { compared, equal } = tally.agreement();
  const total = [...tally.tokensByName().values()].reduce((sum, tokens) => sum + tokens, 0);
  const shares = [...tally.tokensByName()].map(([name, tokens]) => `${name} ${percent(tokens / Math.max(1, total))}`);
  const model = join(options.folder, "model");
  await exportModel({ folder: options.folder, state: join(options.folder, tally.leader()!), output: model });

  if (options.manner === "json") {
    json({
      time: Date.now(),
      kind: "done",
      rounds: last.round,
      tokens: last.tokens,
      loss: last.loss,
      heldOutFirst: heldOuts[0] ?? null,
      heldOut: heldOuts.at(-1) ?? null,
      digestsCompared: compared,
      digestsEqual: equal,
      shares: Object.fromEntries(tally.tokensByName()),
      elapsedMs,
      model,
    });
    return equal === compared ? EXIT.done : EXIT.unexpected;
  }
  line(
    `\nDone: held-out ${nats(heldOuts[0])} → ${nats(heldOuts.at(-1))} nats per byte in ${clock(elapsedMs)} ` +
      `(${last.round} rounds, ${counted(last.tokens)} tokens: ${shares.join(", ")}).`,
  );
  line(
    equal === compared
      ? `State digests were equal in all ${compared} rounds that several peers reported.`
      : `State digests DIFFERED in ${compared - equal} of ${compared} rounds: this is a bug, please report it.`,
  );
  line("It writes:");
  let margin = MARGIN;
  for await (
    const text of sampleFrom({
      folder: model,
      prompt: PROMPT,
      tokens: 240,
      temperature: 0.6,
      seed: 1,
      device: options.device,
    })
  ) {
    raw(margin + text.replaceAll("\n", `\n${MARGIN}`));
    margin = "";
  }
  line(`\n\nModel: ${model} (Hugging Face layout).   Next:`);
  line(`  deno task starling sample ${model} --prompt "/**"`);
  line("  deno task starling init mine --data my-texts/      train on your own text, with friends");
  return equal === compared ? EXIT.done : EXIT.unexpected;
}

function introduction({ peers, minutes }: DemoOptions): string {
  const slow = peers > 1 ? ", one at half speed" : "";
  return `Starling · demo · ${peers} peer${peers === 1 ? "" : "s"} on this machine${slow} · ` +
    `corpus: Node's API documentation (2.5 MB, MIT) · ${clock(minutes * 60_000)}, Ctrl+C ends it earlier`;
}

function peerArguments(
  { folder, peers, device, precision }: DemoOptions,
  index: number,
  meet: readonly string[],
): string[] {
  const name = NAMES[index]!;
  const threads = Math.max(1, Math.floor(navigator.hardwareConcurrency / peers));
  const slow = peers > 1 && index === peers - 1;
  return [
    "start",
    folder,
    ...["--state", join(folder, name), "--name", name, "--device", device, "--threads", String(threads)],
    ...["--precision", precision],
    ...["--listen", "127.0.0.1", "--no-mdns"],
    ...meet.flatMap((address) => ["--peer", address]),
    ...(slow ? ["--throttle", String(THROTTLE)] : []),
  ];
}

/** Removes what a former demo left; refuses a folder that is something else. */
async function removeFormerDemo(folder: string): Promise<void> {
  let text: string;
  try {
    const entries = Array.from(Deno.readDirSync(folder));
    if (entries.length === 0) return;
    text = await Deno.readTextFile(join(folder, "run.json")).catch(() => "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!/"name":\s*"demo"/.test(text)) {
    throw new UsageError(`Cannot use '${folder}' for the demo: it holds something else. Give another with --folder`);
  }
  await Deno.remove(folder, { recursive: true });
}
