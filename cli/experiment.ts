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
import { type DeviceChoice, openDevice } from "../runtime/device/open.ts";
import { Dealer } from "../runtime/experiment/dealer.ts";
import { runSweep } from "../runtime/experiment/sweep.ts";
import { isComplete, type Results, type SweepPlan } from "../runtime/experiment/sweep_plan.ts";
import { SweepFile } from "../runtime/experiment/sweep_file.ts";
import { Workbench } from "../runtime/experiment/workbench.ts";
import { memoryReader } from "../runtime/folder.ts";
import { diskFolder } from "../runtime/folder_disk.ts";
import { isPreset } from "../runtime/presets.ts";
import { realClock } from "../runtime/worker/clock.ts";
import { hasRun, openRunFolder } from "../runtime/run_folder.ts";
import type { Chart } from "./chart/chart.ts";
import { UsageError } from "./exit.ts";
import { createRun } from "./init.ts";
import { aborted, BY_USER, type Interrupt, listenForInterrupt } from "./interrupt.ts";
import { type Manner, note } from "./print.ts";
import { shareSweep } from "./share_sweep.ts";
import { SweepView } from "./sweep_view.ts";

/** Flags of every experiment. */
export interface ExperimentFlags {
  /** A run's folder, its run.json, or the name of a preset. */
  readonly run: string;
  /** Where the sweep is kept. */
  readonly folder?: string;
  readonly device: DeviceChoice;
  readonly threads?: number;
  readonly minutes?: number;
  /** Whether others may help, and where they find this peer. */
  readonly share?: boolean;
  readonly listen: string;
  readonly port?: number;
  readonly manner: Manner;
}

/** The run of an experiment. */
export interface ExperimentRun {
  readonly path: string;
  readonly config: RunConfig;
  readonly data: BlobStore;
}

/**
 * Runs an experiment, or helps with somebody else's; returns the exit code.
 * @throws {UsageError} unless it is one of the two.
 */
export async function runOrHelp(
  { run, join: ticket, ...flags }: Omit<ExperimentFlags, "run"> & { readonly run?: string; readonly join?: string },
  experiment: (run: string) => Promise<number>,
): Promise<number> {
  if (ticket !== undefined && run !== undefined) {
    throw new UsageError(`Cannot help with a sweep and ask about '${run}' at once: give one of them`);
  }
  if (ticket !== undefined) return await (await import("./help_sweep.ts")).helpSweep({ ...flags, ticket });
  if (run !== undefined) return await experiment(run);
  throw new UsageError("Cannot begin: say of which run, by its folder, or whom to help, with --join <ticket>");
}

/**
 * Opens the run that an experiment is about. The name of a preset, where no folder has it, makes a run of that preset.
 * @throws {ConfigError} if it cannot be used.
 */
export async function openExperimentRun(source: string): Promise<ExperimentRun> {
  const path = basename(source) === "run.json" ? dirname(source) : source;
  if (!await hasRun(path) && isPreset(path)) {
    const made = `starling-${path}-run`;
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
  using view = new SweepView((results) => plan.tokensToGo(results), flags.manner);
  await using place = await openWorkplace(run, { flags, view });
  const { bench, interrupt: { signal } } = place, dealer = new Dealer(plan, file);
  await using sharing = flags.share ? await shareSweep(run.config, { blobs: run.data, dealer, view, flags }) : null;
  const isDone = await runSweep({
    dealer,
    folder: diskFolder(folder),
    bench,
    signal,
    clock: realClock,
    onEvent: (event) => view.take(event),
  });
  if (isDone) await sharing?.tellDone(signal);
  return { results: dealer.results, isComplete: isDone };
}

/** A device with a text on it, and whoever may stop the work: all that trials need. */
export interface Workplace extends AsyncDisposable {
  readonly bench: Workbench;
  readonly interrupt: Interrupt;
}

/** Opens text and device; Ctrl+C and `--minutes` stop it. */
export async function openWorkplace(
  run: ExperimentRun,
  { flags, view }: {
    readonly flags: Pick<ExperimentFlags, "device" | "threads" | "minutes">;
    readonly view: SweepView;
  },
): Promise<Workplace> {
  await using opening = new AsyncDisposableStack();
  const text = await openExperimentText(run), { threads } = flags;
  const { device, reason } = await openDevice(flags.device, {
    ...(threads === undefined ? {} : { threads }),
    onNotice: (message) => view.say(message),
  });
  opening.use(device);
  view.say(`Device: ${device.description}. ${reason}`);
  const onWarning = (message: string) => view.say(message);
  const bench = opening.use(new Workbench({ device, text, seed: run.config.seed, onWarning }));
  const interrupt = opening.use(listenForInterrupt());
  if (flags.minutes !== undefined) {
    const timer = setTimeout(() => interrupt.stop("time"), flags.minutes * 60_000);
    opening.defer(() => clearTimeout(timer));
  }
  aborted(interrupt.signal).then(() =>
    interrupt.signal.reason === BY_USER && view.say("Stopping. Ctrl+C again stops at once.")
  );
  const opened = opening.move();
  return { bench, interrupt, [Symbol.asyncDispose]: () => opened.disposeAsync() };
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

/** Where a sweep is kept unless it is told. */
export function defaultSweepFolder({ path }: ExperimentRun, name: string): string {
  return join(path, name);
}
