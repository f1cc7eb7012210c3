/**
 * Whose failure it is when an effect fails: the one place that tells what ends this peer from what is an answer.
 *
 * What others gave, or did not give, is an answer: the core asks again, or goes without. Where our own disk or learner
 * fails nothing more can be promised, and the host ends with it: a disk that refuses, a learner that has stopped, and
 * whatever else is thrown by work that nothing of others can make fail (to write down, keep, cut, train, judge). A disk
 * that is only full is no failure for what this peer can do without.
 * @module
 */
import { LearnerStoppedError } from "./learner.ts";
import { reasonOf } from "./reason.ts";
import { StorageError } from "./store/storage_error.ts";

/** Whether an error says that our own disk or learner has failed, whatever it was at work on. */
export function isOwnFailure(error: unknown): boolean {
  return error instanceof StorageError || error instanceof LearnerStoppedError;
}

/** Whether room is all that our own disk lacks. */
export function isFullDisk(error: unknown): error is StorageError {
  return error instanceof StorageError && error.isFull;
}

/** The reason to answer with when work on what others made has failed. @throws {Error} what is our own failure. */
export function whyRefused(error: unknown): string {
  if (isOwnFailure(error)) throw error;
  return reasonOf(error);
}

/** The reason to go without what nobody needs yet. @throws {Error} what more room would not mend. */
export function whyWithout(error: unknown): string {
  if (!isFullDisk(error)) throw error;
  return error.message;
}
