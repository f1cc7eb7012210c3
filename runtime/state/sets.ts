/**
 * Folds and averages of whole weights, set by set: what `p2p/learner.ts` asks for, on shared memory and in place.
 *
 * It adds no arithmetic to that of `fold.ts` and `average.ts`, and keeps their order, so the same bits come out on every
 * machine.
 * @module
 */
import type { FoldOrder, FoldPart, Screen } from "../../p2p/learner.ts";
import { average } from "./average.ts";
import { fold, type FoldedPart, type FoldOptions, type PartVerdict } from "./fold.ts";
import type { Weights, WeightSet } from "./weights.ts";

export interface SetsToFold extends Pick<FoldOrder, "joined"> {
  readonly parent: Weights;
  readonly parts: readonly (FoldedPart & Pick<FoldPart, "at">)[];
  /** As many sets as the parent has, or one less if two become one. */
  readonly into: Weights;
}

export interface FoldedSets {
  /** One for each part: its norm, or why it was dropped. */
  readonly verdicts: readonly PartVerdict[];
  /** Null if no set had enough parts to compare. */
  readonly screen: Screen | null;
}

/**
 * Folds each set's parts into it, then makes one of two sets if it is told to: their parameters are averaged, and the
 * momentum stays that of the set that is kept.
 */
export function foldSets({ parent, parts, joined, into }: SetsToFold, options: FoldOptions): FoldedSets {
  const wanted = parent.sets.length - (joined === null ? 0 : 1);
  if (into.sets.length !== wanted) {
    throw new RangeError(`Cannot fold weights: there is room for ${into.sets.length} sets, and ${wanted} come of it`);
  }
  const stray = parts.find(({ at }) => parent.sets[at] === undefined);
  if (stray !== undefined) {
    throw new RangeError(`Cannot fold weights: a part is of set ${stray.at}, which is not there`);
  }
  const gone = joined === null ? null : emptyLike(parent.sets[joined.gone]!);
  const verdicts: PartVerdict[] = [], screens: Screened[] = [];
  const next = parent.sets.map((before, at) => {
    const isGone = at === joined?.gone, place = joined !== null && at > joined.gone ? at - 1 : at;
    const set = isGone ? gone! : into.sets[place]!, own = parts.flatMap((part, i) => part.at === at ? [i] : []);
    set.parameters.set(before.parameters);
    set.momentum?.set(before.momentum!);
    const input = { weights: set.parameters, momentum: set.momentum, parts: own.map((i) => parts[i]!) };
    const folded = fold(input, options);
    own.forEach((part, i) => verdicts[part] = folded.verdicts[i]!);
    if (folded.screen !== null) screens.push({ own, screen: folded.screen });
    return set;
  });
  if (joined !== null) {
    const [share, other] = joined.shares, { parameters } = next[joined.kept]!, out = { parameters, momentum: null };
    average({ ...out, share }, { parameters: gone!.parameters, momentum: null, share: other }, out);
  }
  return { verdicts, screen: screens.length === 0 ? null : together(screens, parts.length) };
}

export interface SetWithShare extends WeightSet {
  readonly share: number;
}

/** Writes the average of each set's sources into its place, momentum alike, one source after the other. */
export function averageSets(sources: readonly (readonly SetWithShare[])[], into: Weights): void {
  for (const [i, all] of sources.entries()) {
    const out = into.sets[i]!, [first, ...others] = all.filter(({ share }) => share > 0);
    if (first === undefined) throw new RangeError("Cannot average weights: the shares of a set are all 0");
    out.parameters.set(first.parameters);
    out.momentum?.set(first.momentum!);
    let { share } = first;
    for (const other of others) {
      average({ ...out, share }, other, out);
      share += other.share;
    }
  }
}

interface Screened {
  /** The parts of a set, among all. */
  readonly own: readonly number[];
  readonly screen: Screen;
}

function together(screens: readonly Screened[], count: number): Screen {
  const cosines = new Array<number | null>(count).fill(null), thresholds = new Array<number>(count).fill(-1);
  for (const { own, screen } of screens) {
    own.forEach((part, i) => [cosines[part], thresholds[part]] = [screen.cosines[i]!, screen.thresholds[i]!]);
  }
  const dropped = screens.flatMap(({ own, screen }) => screen.dropped.map((i) => own[i]!)).sort((a, b) => a - b);
  return { cosines, thresholds, dropped };
}

function emptyLike({ parameters, momentum }: WeightSet): { parameters: Float32Array; momentum: Float32Array | null } {
  return {
    parameters: new Float32Array(parameters.length),
    momentum: momentum === null ? null : new Float32Array(momentum.length),
  };
}
