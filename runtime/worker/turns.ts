/**
 * What a peer keeps of lineages that it trains in turn with others, while it is another's turn: moments and error
 * feedback of each, on the host. One device and one plan serve them all.
 *
 * It knows no device and no data. A lineage is known again by what is in it: two that have become one go on with what this
 * peer has of either, the one it trained last before the other. Steps that were not contributed when a turn ended are
 * none of this: they are given up, and their data are trained again.
 * @module
 */
import type { TrainedLineage } from "../../p2p/learner.ts";
import type { KeptLineage } from "../state/checkpoint.ts";
import type { Moments } from "../train/trainer.ts";
import { Undecided } from "./undecided.ts";

/** One lineage's own. */
export interface TurnState {
  /** Null: as a new optimizer has them. */
  readonly moments: Moments | null;
  /** Contributions to it whose fate is not known yet. */
  readonly undecided: Undecided;
}

interface Parked extends TurnState {
  readonly from: readonly number[];
}

export class Turns {
  #from: readonly number[] | null = null;
  /** The last trained comes last; none of them is hosted twice, so there are no more than lineages. */
  #parked: readonly Parked[] = [];

  /** What an earlier session has left, before anything is trained. */
  restore(kept: readonly KeptLineage[]): void {
    this.#parked = kept.map(({ from, moments }) => ({ from, moments, undecided: new Undecided() }));
  }

  /** What is in the lineage whose turn it is; null before the first. */
  get current(): readonly number[] | null {
    return this.#from;
  }

  /** What the host has of all lineages, for another session; `own` are the moments of the one whose turn it is. */
  kept(own: Moments | null): readonly KeptLineage[] {
    const current = this.#from === null ? [] : [{ from: this.#from, moments: own }];
    return [...this.#parked, ...current].flatMap(({ from, moments }) => {
      const residual = moments?.residual;
      return moments && residual ? [{ from, moments: { ...moments, residual } }] : [];
    });
  }

  /** Whether this is another lineage than the one whose turn it is, or than a new one. */
  isOther({ from }: TrainedLineage): boolean {
    return this.#from === null ? this.#parked.some((parked) => isIn(parked.from, from)) : !isIn(this.#from, from);
  }

  /** The turn goes on: the lineage may have others in it by now. */
  goOn({ from, hosted }: TrainedLineage): void {
    this.#from = from;
    this.#parked = this.#parked.filter((parked) => isIn(parked.from, hosted) && !isIn(parked.from, from));
  }

  /**
   * Another lineage's turn begins; `own` is what there is of the one whose turn ends. A peer that trains that no more takes
   * its moments along to the other, if it has none of it: they are nearer than none.
   */
  begin(next: TrainedLineage, own: TurnState): TurnState {
    const { from, hosted } = next, ended = this.#from;
    const known = this.#parked.findLast((parked) => isIn(parked.from, from));
    const isKept = ended !== null && isIn(ended, hosted);
    if (isKept) this.#parked = [...this.#parked, { from: ended, ...own }];
    this.goOn(next);
    if (known !== undefined) return known;
    const moments = isKept || own.moments === null ? null : withoutResidual(own.moments);
    return { moments, undecided: new Undecided() };
  }

  /**
   * Error feedback of a contribution to a lineage whose turn it is not. What a lost sparse one sent goes into the next one,
   * as in `LocalModel.settle`; of dense ones what they left out went with the device.
   */
  settle(round: number, isCounted: boolean): void {
    this.#parked = this.#parked.map((parked) => {
      const settled = parked.undecided.settle(round, isCounted), residual = parked.moments?.residual;
      if (settled === null || settled.kind === "dense" || isCounted || !parked.moments || !residual) return parked;
      if (settled.lostInARow > 1) return { ...parked, moments: withoutResidual(parked.moments) };
      const sent = settled.decode(residual.length);
      return { ...parked, moments: { ...parked.moments, residual: residual.map((value, i) => value + sent[i]!) } };
    });
  }
}

/** The moments of a new optimizer. */
export function newMoments(words: number, residual: Float32Array<ArrayBuffer> = new Float32Array(words)): Moments {
  return { first: new Float32Array(words), second: new Float32Array(words), stepCount: 0, beta2Product: 1, residual };
}

function withoutResidual(moments: Moments): Moments {
  return { ...moments, residual: new Float32Array(moments.first.length) };
}

function isIn(from: readonly number[], all: readonly number[]): boolean {
  return from.every((id) => all.includes(id));
}
