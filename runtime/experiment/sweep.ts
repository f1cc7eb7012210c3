/**
 * Runs the trials of a plan one after another, keeps what comes of them, and goes on where it stopped.
 *
 * A plan says which trials there are, given what is known so far: later ones may depend on the results of earlier ones.
 * It must be a function of those results alone, so that a sweep that is resumed asks for the same trials.
 * @module
 */
import type { Folder } from "../folder.ts";
import type { Question, SweepFile } from "./sweep_file.ts";
import { trainAlone, type TrialRun } from "./train_alone.ts";
import { trainFlock } from "./train_flock.ts";
import { type Trial, type TrialProgress, type TrialResult, trialSchema } from "./trial.ts";
import { decodeTrialState, encodeTrialState, type TrialState } from "./trial_checkpoint.ts";
import type { Workbench } from "./workbench.ts";

export type Results = ReadonlyMap<string, TrialResult>;

/** What is asked, and which trials answer it. */
export interface SweepPlan {
  /** The sweep's file in its folder. */
  readonly name: string;
  readonly question: Question;
  /** All trials that are known to be needed by now, finished ones too, in the order in which they are done. */
  trials(results: Results): readonly Trial[];
  /** Tokens that a trial will take, as a guess, for the time to go; of trials that are not known yet too. */
  tokensToGo(results: Results): number;
}

export type SweepEvent =
  | { readonly kind: "trial"; readonly trial: Trial; readonly number: number; readonly of: number }
  | ({ readonly kind: "progress"; readonly trialTokens: number } & TrialProgress)
  | { readonly kind: "result"; readonly trial: Trial; readonly result: TrialResult }
  | { readonly kind: "warning"; readonly message: string };

export interface SweepOptions {
  /** What is known already, and where more is kept. */
  readonly file: SweepFile;
  readonly bench: Workbench;
  /** Stops it between two steps; whatever was done is kept. */
  readonly signal: AbortSignal;
  now(): number;
  onEvent(event: SweepEvent): void;
}

/** Whether nothing is left to do. */
export function isComplete(plan: SweepPlan, results: Results): boolean {
  return plan.trials(results).every(({ id }) => results.has(id));
}

/** Beside the sweep's file: the trial that was interrupted. */
const CHECKPOINT = "trial.checkpoint";

/**
 * Runs a sweep to its end, or until the signal stops it.
 * @returns Every result so far, and whether there is nothing left to do.
 */
export async function runSweep(plan: SweepPlan, options: SweepOptions): Promise<{
  readonly results: Results;
  readonly isComplete: boolean;
}> {
  const { file, signal, onEvent } = options;
  for (;;) {
    const trials = plan.trials(file.results), number = trials.findIndex(({ id }) => !file.results.has(id));
    if (number < 0) return { results: file.results, isComplete: true };
    if (signal.aborted) return { results: file.results, isComplete: false };
    const trial = trials[number]!;
    onEvent({ kind: "trial", trial, number: number + 1, of: trials.length });
    const result = await runTrial(trial, options);
    if (result === null) return { results: file.results, isComplete: false };
    await file.add(result);
    onEvent({ kind: "result", trial, result });
  }
}

async function runTrial(
  trial: Trial,
  { file: { folder }, bench, signal, now, onEvent }: SweepOptions,
): Promise<TrialResult | null> {
  const run: TrialRun = {
    bench,
    resume: await readCheckpoint(folder, trial, (message) => onEvent({ kind: "warning", message })),
    signal,
    now,
    onProgress: (progress) => onEvent({ kind: "progress", trialTokens: trial.mostTokens, ...progress }),
    keep: async (state) => await folder.write(CHECKPOINT, [await encodeTrialState(state)]),
  };
  return trial.kind === "alone" ? await trainAlone(trial, run) : await trainFlock(trial, run);
}

/** Where this trial was interrupted; null if it was not, or if what is there is of another one. */
async function readCheckpoint(
  folder: Folder,
  trial: Trial,
  warn: (message: string) => void,
): Promise<TrialState | null> {
  const file = await folder.open(CHECKPOINT);
  if (file === null) return null;
  const bytes = new Uint8Array(file.sizeBytes);
  file.readAt(0, bytes);
  const decoded = await decodeTrialState(bytes);
  if (!decoded.ok) {
    warn(`Cannot go on with the interrupted trial in ${file.source}: ${decoded.reason}. It begins anew`);
    return null;
  }
  // Both as the schema orders their fields.
  const [there, here] = [decoded.state.trial, trialSchema.parse(trial)].map((found) => JSON.stringify(found));
  return there === here ? decoded.state : null;
}
