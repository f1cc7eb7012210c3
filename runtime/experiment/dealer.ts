/**
 * Deals the trials of a sweep: to its owner, and to helpers, each trial to one of them at a time.
 *
 * Trials are independent, so whoever has time takes the next one. A helper that has not been heard of for `LEASE_MS`
 * loses its trial to whoever asks next; what it brings later still counts if nobody was faster. The owner's own trials
 * have no such bound. Time is an argument.
 * @module
 */
import type { Results, SweepPlan } from "./sweep_plan.ts";
import type { SweepFile } from "./sweep_file.ts";
import type { Trial, TrialResult } from "./trial.ts";

/** A helper is given up after so long a silence; it says something six times as often. */
export const LEASE_MS = 60_000, BEAT_MS = LEASE_MS / 6;
/** Whoever owns the sweep. */
export const OWNER = "owner";

export type Dealt =
  | { readonly kind: "trial"; readonly trial: Trial; readonly number: number; readonly of: number }
  /** Others have all there is at the moment; look again at that time, or when something has changed. */
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "done" };

interface Lease {
  readonly who: string;
  readonly untilMs: number;
}

export class Dealer {
  readonly #plan: SweepPlan;
  readonly #file: SweepFile;
  /** By trial. */
  readonly #leases = new Map<string, Lease>();
  #change = Promise.withResolvers<void>();

  constructor(plan: SweepPlan, file: SweepFile) {
    this.#plan = plan;
    this.#file = file;
  }

  get results(): Results {
    return this.#file.results;
  }

  /** Resolves when a result has come or a trial has come back. */
  get changed(): Promise<void> {
    return this.#change.promise;
  }

  /** The next trial for somebody: what it has already, else the first that nobody has. */
  take(who: string, nowMs: number): Dealt {
    const trials = this.#plan.trials(this.results), open = trials.filter(({ id }) => !this.results.has(id));
    if (open.length === 0) return { kind: "done" };
    const own = open.find(({ id }) => this.#holder(id, nowMs)?.who === who);
    const trial = own ?? open.find(({ id }) => this.#holder(id, nowMs) === null);
    if (trial === undefined) {
      return { kind: "wait", untilMs: Math.min(...open.map(({ id }) => this.#leases.get(id)!.untilMs)) };
    }
    this.#lease(trial.id, who, nowMs);
    return { kind: "trial", trial, number: trials.indexOf(trial) + 1, of: this.#plan.trialCount };
  }

  /** Keeps somebody's trial; false if it is not theirs any more, so that going on with it is in vain. */
  keep(who: string, trial: string, nowMs: number): boolean {
    if (this.results.has(trial) || this.#holder(trial, nowMs)?.who !== who) return false;
    this.#lease(trial, who, nowMs);
    return true;
  }

  /** Takes a result in, and it is on disk; false if it is of no open trial. */
  async give(result: TrialResult): Promise<boolean> {
    if (this.results.has(result.trial)) return false;
    if (!this.#plan.trials(this.results).some(({ id }) => id === result.trial)) return false;
    this.#leases.delete(result.trial);
    await this.#file.add(result);
    this.#tell();
    return true;
  }

  /** Whatever somebody has goes back. */
  giveBack(who: string): void {
    for (const [trial, lease] of this.#leases) if (lease.who === who) this.#leases.delete(trial);
    this.#tell();
  }

  #holder(trial: string, nowMs: number): Lease | null {
    const lease = this.#leases.get(trial);
    return lease !== undefined && nowMs < lease.untilMs ? lease : null;
  }

  #lease(trial: string, who: string, nowMs: number): void {
    this.#leases.set(trial, { who, untilMs: who === OWNER ? Infinity : nowMs + LEASE_MS });
  }

  #tell(): void {
    const { resolve } = this.#change;
    this.#change = Promise.withResolvers();
    resolve();
  }
}
