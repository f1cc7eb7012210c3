/**
 * A corpus: a text cut into windows to train on and windows to judge by.
 *
 * It knows neither files nor the order of training. The cut depends on the token count and the context length alone,
 * so all peers make the same one. T is the context length; a window is T + 1 tokens: T inputs, and each one's successor
 * as its target.
 *
 * The text is a row of *parts*, each a training stretch followed by a held-out block, so that held-out text comes from
 * everywhere and not from the tail, which is often another kind of text:
 *
 *     | t·T + 1 training tokens | w·T + 1 held-out tokens | t·T + 1 … | w·T + 1 … | … < T tokens left over
 *
 * 1. Windows of a stretch or block overlap by one token: each of its tokens but the first is predicted exactly once.
 * 2. No training window holds a held-out token.
 * 3. About one window in 32 is held out, in blocks of four where the text is long; at least one always is.
 * @module
 */
import type { TokenReader } from "./tokens.ts";

/** Windows by number. */
export interface TokenSource {
  readonly windowCount: number;
  /**
   * Fills `into`, of contextLength + 1, with a window.
   * @throws {RangeError} if there is no such window, or `into` has another length.
   * @throws {CorpusError} if the text holds a token that the model does not know.
   */
  read(window: number, into: Uint32Array): void;
}

export interface Corpus {
  readonly tokenCount: number;
  readonly train: TokenSource;
  readonly heldOut: TokenSource;
}

export interface CorpusOptions {
  /** T. */
  readonly contextLength: number;
  /** Tokens that the model knows. */
  readonly vocabularySize: number;
}

/** A text that cannot be trained on. */
export class CorpusError extends Error {
  override readonly name = "CorpusError";
}

/**
 * Cuts a text.
 * @throws {CorpusError} if the text is too short for one window to train on and one to judge by.
 */
export function openCorpus(tokens: TokenReader, { contextLength, vocabularySize }: CorpusOptions): Corpus {
  const cut = cutText(tokens.tokenCount, contextLength);
  const source = (windowCount: number, startOf: (window: number) => number): TokenSource => ({
    windowCount,
    read(window, into) {
      if (!Number.isInteger(window) || window < 0 || window >= windowCount) {
        throw new RangeError(`Cannot read window ${window}: there are ${windowCount}`);
      }
      if (into.length !== contextLength + 1) {
        throw new RangeError(`Cannot read a window into ${into.length} tokens: it has ${contextLength + 1}`);
      }
      const start = startOf(window);
      tokens.read(start, into);
      expectKnownTokens(into, start, vocabularySize);
    },
  });
  return {
    tokenCount: tokens.tokenCount,
    train: source(cut.trainCount, (window) => trainStart(cut, window)),
    heldOut: source(cut.heldOutCount, (window) => heldOutStart(cut, window)),
  };
}

/** Where the windows are. `blockWindows` is w; the first `longer` parts have one training window more than the others. */
interface Cut {
  readonly contextLength: number;
  readonly blockWindows: number;
  readonly shortPart: number;
  readonly longer: number;
  readonly trainCount: number;
  readonly heldOutCount: number;
}

function cutText(tokenCount: number, contextLength: number): Cut {
  const least = 2 * (contextLength + 1);
  if (tokenCount < least) {
    throw new CorpusError(
      `Cannot train on this text: it has ${tokenCount} tokens and a context of ${contextLength} needs at least ` +
        `${least} (one window to train on, one to judge by); add text or choose a shorter context`,
    );
  }
  const room = Math.floor(tokenCount / contextLength);
  const blockWindows = room < 512 ? 1 : 4;
  const partCount = Math.max(1, Math.round(room / (32 * blockWindows)));
  const spentOnParts = partCount * (blockWindows * contextLength + 2);
  const trainCount = Math.floor((tokenCount - spentOnParts) / contextLength);
  return {
    contextLength,
    blockWindows,
    shortPart: Math.floor(trainCount / partCount),
    longer: trainCount % partCount,
    trainCount,
    heldOutCount: partCount * blockWindows,
  };
}

function trainStart(cut: Cut, window: number): number {
  const inLonger = cut.longer * (cut.shortPart + 1);
  const part = window < inLonger
    ? Math.floor(window / (cut.shortPart + 1))
    : cut.longer + Math.floor((window - inLonger) / cut.shortPart);
  return window * cut.contextLength + part * (cut.blockWindows * cut.contextLength + 2);
}

function heldOutStart(cut: Cut, window: number): number {
  const part = Math.floor(window / cut.blockWindows);
  const trainBefore = (part + 1) * cut.shortPart + Math.min(part + 1, cut.longer);
  return (trainBefore + window) * cut.contextLength + part * 2 + 1;
}

function expectKnownTokens(window: Uint32Array, start: number, vocabularySize: number): void {
  for (let i = 0; i < window.length; i++) {
    if (window[i]! < vocabularySize) continue;
    throw new CorpusError(
      `Cannot use the token at ${start + i} of the text: it is ${window[i]} and the model knows 0 to ` +
        `${vocabularySize - 1}; the text was cut into tokens by another tokenizer`,
    );
  }
}
