/**
 * Runs the trials of a sweep one after another on this machine, and goes on where it stopped.
 *
 * Helpers may take trials from the same dealer meanwhile (`sharing.ts`); then this waits for what they have.
 * @module
 */
import type { Folder } from "../folder.ts";
import type { Clock } from "../worker/clock.ts";
import { type Dealer, OWNER } from "./dealer.ts";
import { trainTrial } from "./train_trial.ts";
import type { TrialRun } from "./trial_run.ts";
import { type Trial, type TrialProgress, type TrialResult, trialSchema } from "./trial.ts";
import { decodeTrialState, encodeTrialState, type TrialState } from "./trial_checkpoint.ts";
import type { Workbench } from "./workbench.ts";

export type SweepEvent =
  | { readonly kind: "trial"; readonly trial: Trial; readonly number: number; readonly of: number }
  | ({ readonly kind: "progress"; readonly trialTokens: number } & TrialProgress)
  | { readonly kind: "result"; readonly trial: Trial; readonly result: TrialResult }
  | { readonly kind: "warning"; readonly message: string };

export interface SweepOptions {
  /** Whom the trials come from, and where results go. */
  readonly dealer: Dealer;
  /** Where the trial in hand is kept when it is interrupted. */
  readonly folder: Folder;
  readonly bench: Workbench;
  /** Stops it between two steps; whatever was done is kept. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  onEvent(event: SweepEvent): void;
}

/** Beside the sweep's file: the trial that was interrupted. */
const CHECKPOINT = "trial.checkpoint";

/** Runs a sweep to its end, or until the signal stops it; true if nothing is left to do. */
export async function runSweep(options: SweepOptions): Promise<boolean> {
  const { dealer, signal, clock, onEvent } = options;
  for (;;) {
    const dealt = dealer.take(OWNER, clock.now());
    if (dealt.kind === "done") return true;
    if (signal.aborted) return false;
    if (dealt.kind === "wait") {
      await waitFor(dealer.changed, { ms: dealt.untilMs - clock.now(), clock, signal });
      continue;
    }
    onEvent(dealt);
    const result = await runTrial(dealt.trial, options);
    if (result === null) return false;
    if (await dealer.give(result)) onEvent({ kind: "result", trial: dealt.trial, result });
  }
}

/** Waits until something has come true, for a time at most. */
async function waitFor(event: Promise<void>, { ms, clock, signal }: {
  readonly ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const over = new AbortController();
  event.then(() => over.abort());
  await clock.sleep(Math.max(0, ms), AbortSignal.any([over.signal, signal]));
}

async function runTrial(
  trial: Trial,
  { folder, bench, signal, clock, onEvent }: SweepOptions,
): Promise<TrialResult | null> {
  const run: TrialRun = {
    bench,
    resume: await readCheckpoint(folder, trial, (message) => onEvent({ kind: "warning", message })),
    signal,
    clock,
    onProgress: (progress) => onEvent({ kind: "progress", trialTokens: trial.mostTokens, ...progress }),
    keep: async (state) => await folder.write(CHECKPOINT, [await encodeTrialState(state)]),
  };
  return await trainTrial(trial, run);
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
