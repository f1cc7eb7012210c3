/**
 * What `cbs` and `tune` share: the run they are about, the device and text they train on, and how their progress shows.
 * @module
 */
import { basename, dirname, join } from "node:path";
import { lockState, StateInUseError } from "../p2p/store/lock.ts";
import { onDisk } from "../p2p/store/storage_error.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import type { Digest } from "../p2p/sync/types.ts";
import type { RunConfig } from "../runtime/config.ts";
import { CorpusError } from "../runtime/data/corpus.ts";
import { openRunText, openRunTokenizer } from "../runtime/data/run_text.ts";
import type { TokenReader } from "../runtime/data/tokens.ts";
import { openDevice } from "../runtime/device/open.ts";
import { Dealer } from "../runtime/experiment/dealer.ts";
import { runSweep, type SweepEvent } from "../runtime/experiment/sweep.ts";
import { isComplete, type Results, type SweepPlan } from "../runtime/experiment/sweep_plan.ts";
import { SweepFile } from "../runtime/experiment/sweep_file.ts";
import { Workbench } from "../runtime/experiment/workbench.ts";
import { memoryReader } from "../runtime/folder.ts";
import { diskFolder } from "../runtime/folder_disk.ts";
import { type PresetName, presets } from "../runtime/presets.ts";
import { realClock } from "../runtime/worker/clock.ts";
import { hasRun, openRunFolder } from "../runtime/run_folder.ts";
import type { Chart } from "./chart/chart.ts";
import { clock, counted, percent } from "./format.ts";
import { createRun } from "./init.ts";
import { aborted, BY_USER, listenForInterrupt } from "./interrupt.ts";
import { json, LiveBlock, type Manner, note } from "./print.ts";

/** Flags of every experiment. */
export interface ExperimentFlags {
  /** A run's folder, its run.json, or the name of a preset. */
  readonly run: string;
  /** Where the sweep is kept. */
  readonly folder?: string;
  readonly device: "auto" | "cpu" | "webgpu";
  readonly threads?: number;
  readonly minutes?: number;
  readonly manner: Manner;
}

/** The run of an experiment. */
export interface ExperimentRun {
  readonly path: string;
  readonly config: RunConfig;
  readonly data: BlobStore;
}

const PROGRESS_MS = 5_000;

/**
 * Opens the run that an experiment is about. The name of a preset, where no folder has it, makes a run of that preset.
 * @throws {ConfigError} if it cannot be used.
 */
export async function openExperimentRun(source: string): Promise<ExperimentRun> {
  const path = basename(source) === "run.json" ? dirname(source) : source;
  if (!await hasRun(path) && isPreset(path)) {
    const made = `starling-${path}`;
    if (!await hasRun(made)) {
      await createRun({ folder: made, preset: path, membership: "private", seed: 1 });
      note(`Made ${made}/, a run of the preset ${path}; 'starling init' makes one of your own text`);
    }
    return await openExperimentRun(made);
  }
  return await openRunFolder(path);
}

/** The text of a run, as far as this machine has it. */
export async function openExperimentText({ path, config, data }: ExperimentRun): Promise<TokenReader> {
  const blob = async (digest: string) => {
    const bytes = await data.get(digest as Digest);
    if (bytes !== null) return bytes;
    throw new CorpusError(
      `Cannot read the text of ${path}: this machine lacks its blob ${digest.slice(0, 8)}…. Start a peer of the run ` +
        "once: it fetches the data",
    );
  };
  const tokenizer = await openRunTokenizer(
    config.tokenizer,
    async (digest) => new TextDecoder().decode(await blob(digest)),
  );
  const openBlob = async (digest: string) => memoryReader(await blob(digest), `blob ${digest}`);
  return await openRunText(config.data, { tokenizer, openBlob });
}

/** Runs a sweep in its folder until it is done, Ctrl+C, or `--minutes`. */
export async function runExperiment(
  plan: SweepPlan,
  { run, folder, flags }: { readonly run: ExperimentRun; readonly folder: string; readonly flags: ExperimentFlags },
): Promise<{ readonly results: Results; readonly isComplete: boolean }> {
  using _lock = await lockFolder(folder);
  const file = await SweepFile.open(diskFolder(folder), plan);
  if (isComplete(plan, file.results)) return { results: file.results, isComplete: true };
  const text = await openExperimentText(run);
  const { device, reason } = await openDevice(
    flags.device,
    flags.threads === undefined ? {} : { threads: flags.threads },
  );
  await using _device = device;
  using view = new SweepView(plan, flags.manner);
  view.say(`Device: ${device.description}. ${reason}`);
  await using bench = new Workbench({ device, text, seed: run.config.seed, onWarning: (message) => view.say(message) });
  using interrupt = listenForInterrupt();
  const timer = flags.minutes === undefined ? null : setTimeout(() => interrupt.stop("time"), flags.minutes * 60_000);
  aborted(interrupt.signal).then(() =>
    interrupt.signal.reason === BY_USER && view.say("Stopping: keeping the trial in hand")
  );
  try {
    const dealer = new Dealer(plan, file),
      isDone = await runSweep({
        dealer,
        folder: diskFolder(folder),
        bench,
        signal: interrupt.signal,
        clock: realClock,
        onEvent: (event) => view.take(event),
      });
    return { results: dealer.results, isComplete: isDone };
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}

/** Draws a chart beside a sweep; gives its path. */
export async function drawInto(folder: string, name: string, chart: Chart): Promise<string> {
  const { drawChart } = await import("./chart/chart.ts"), path = join(folder, name); // only who draws needs it
  await onDisk(`write ${path}`, () => Deno.writeTextFile(path, drawChart(chart)));
  return path;
}

/** What to do with an unfinished sweep, for people. */
export function unfinished(folder: string): string {
  return `Not finished: what is done lies in ${folder}. The same command goes on with it.`;
}

async function lockFolder(folder: string): Promise<Disposable> {
  try {
    return await lockState(folder, { now: new Date() });
  } catch (error) {
    if (!(error instanceof StateInUseError)) throw error;
    throw new StateInUseError(
      `Cannot go on with the sweep in '${folder}': another process is at it. Stop that one, or give this one its own ` +
        "folder with --folder.",
    );
  }
}

function isPreset(name: string): name is PresetName {
  return Object.hasOwn(presets, name);
}

/** Shows a sweep as it goes: a line a result, and where the trial in hand is. */
class SweepView implements Disposable {
  readonly #plan: SweepPlan;
  readonly #manner: Manner;
  readonly #block: LiveBlock | null;
  readonly #results = new Map<string, Extract<SweepEvent, { kind: "result" }>["result"]>();
  #lines: readonly string[] = [];
  #title = "";
  #saidAtMs = -Infinity;

  constructor(plan: SweepPlan, manner: Manner) {
    this.#plan = plan;
    this.#manner = manner;
    this.#block = manner === "live" ? new LiveBlock() : null;
  }

  say(text: string): void {
    if (this.#manner === "json" || this.#manner === "quiet") return;
    if (this.#block === null) note(text);
    else this.#block.above(text, this.#lines);
  }

  take(event: SweepEvent): void {
    if (this.#manner === "json") json(event);
    switch (event.kind) {
      case "warning":
        return this.say(event.message);
      case "trial":
        this.#title = `${event.number} of ${event.of}  ${event.trial.id}`;
        return this.#draw([this.#title]);
      case "progress":
        return this.#progress(event);
      case "result": {
        const { result } = event, { outcome, steps, tokens, loss, trainedMs } = result;
        this.#results.set(result.trial, result);
        const found = loss === null ? "" : `, loss ${loss.toFixed(3)}`;
        return this.say(
          `${this.#title}: ${outcome} after ${counted(steps)} steps, ${counted(tokens)} tokens${found} (${
            clock(trainedMs)
          })`,
        );
      }
      default:
        return event satisfies never;
    }
  }

  [Symbol.dispose](): void {
    this.#block?.draw([]);
    this.#block?.[Symbol.dispose]();
  }

  #progress({ steps, tokens, loss, tokensPerSecond, trialTokens }: Extract<SweepEvent, { kind: "progress" }>): void {
    const toGo = this.#plan.tokensToGo(this.#results) - tokens;
    const text = `${this.#title}  step ${counted(steps)}  loss ${loss === null ? "–" : loss.toFixed(3)}  ` +
      `${percent(Math.min(1, tokens / trialTokens))} of its tokens at most  ${counted(tokensPerSecond)} tok/s  ` +
      (tokensPerSecond > 0 ? `about ${clock(1000 * Math.max(0, toGo) / tokensPerSecond)} to go` : "");
    if (this.#block !== null) return this.#draw([text]);
    const now = performance.now();
    if (now - this.#saidAtMs < PROGRESS_MS) return;
    this.#saidAtMs = now;
    this.say(text);
  }

  #draw(lines: readonly string[]): void {
    this.#lines = lines;
    this.#block?.draw(lines);
  }
}

/** Where a sweep is kept unless it is told. */
export function defaultSweepFolder({ path }: ExperimentRun, name: string): string {
  return join(path, name);
}
