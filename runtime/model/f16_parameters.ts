/**
 * Where the copies in f16 of the matrices that activations are multiplied with lie, in an arena of their own.
 *
 * The f32 arena stays the truth: it is what learns, travels and is saved. The copy is made anew from it before each use
 * by whoever trains. Its layout is nobody else's business: unlike that of the f32 arena, no peer agrees on it.
 * @module
 */
import { alignedWords } from "../graph/plan.ts";
import type { ParameterLayout } from "./parameters.ts";

/** Neighbouring values of the f32 arena that can be copied at once. */
export interface F16Run {
  /** First word in the f32 arena. */
  readonly from: number;
  /** First word, of two values, in the arena of f16. */
  readonly to: number;
  readonly count: number;
}

export interface F16Layout {
  readonly words: number;
  /** First word of each copied tensor, by name. */
  readonly starts: ReadonlyMap<string, number>;
  readonly runs: readonly F16Run[];
}

/**
 * The copies of a model. A tensor starts at a multiple of 64 values in the one arena and of 64 words, 128 values, in the
 * other; so a run goes on from matrix to matrix (over what needs no copy in between) until the next would start between
 * two such places. Models whose widths are multiples of 128 have one run.
 */
export function f16Layout({ parameters, decayedWords }: ParameterLayout): F16Layout {
  const starts = new Map<string, number>(), runs: F16Run[] = [];
  const matrices = parameters.filter(({ isFactor }) => isFactor);
  let run: { from: number; to: number } | undefined, words = 0;
  const end = (at: number) => {
    if (run === undefined) return;
    runs.push({ ...run, count: at - run.from });
    words = alignedWords(run.to + (at - run.from) / 2);
  };
  for (const { name, start } of matrices) {
    if (run === undefined || (start - run.from) % 128 !== 0) {
      end(start);
      run = { from: start, to: words };
    }
    starts.set(name, run.to + (start - run.from) / 2);
  }
  end(decayedWords);
  return { words, starts, runs };
}
