/**
 * A sweep as it goes, on the terminal: a line a result, and where the trial in hand is.
 * @module
 */
import type { SweepEvent } from "../runtime/experiment/sweep.ts";
import type { SweepPlan } from "../runtime/experiment/sweep_plan.ts";
import { clock, counted, percent } from "./format.ts";
import { json, LiveBlock, type Manner, note } from "./print.ts";

const PROGRESS_MS = 5_000;

/** Shows a sweep as it goes: a line a result, and where the trial in hand is. */
export class SweepView implements Disposable {
  readonly #tokensToGo: SweepPlan["tokensToGo"] | null;
  readonly #manner: Manner;
  readonly #block: LiveBlock | null;
  readonly #results = new Map<string, Extract<SweepEvent, { kind: "result" }>["result"]>();
  #lines: readonly string[] = [];
  #title = "";
  #saidAtMs = -Infinity;

  /** @param tokensToGo Of the plan; null for a helper, who knows no time to go. */
  constructor(tokensToGo: SweepPlan["tokensToGo"] | null, manner: Manner) {
    this.#tokensToGo = tokensToGo;
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
          `${event.trial.id}: ${outcome} after ${counted(steps)} steps, ${counted(tokens)} tokens${found} (${
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
    const text = `${this.#title}  step ${counted(steps)}  loss ${loss === null ? "–" : loss.toFixed(3)}  ` +
      `${percent(Math.min(1, tokens / trialTokens))} of its tokens at most  ${counted(tokensPerSecond)} tok/s` +
      this.#timeToGo(tokens, tokensPerSecond);
    if (this.#block !== null) return this.#draw([text]);
    const now = performance.now();
    if (now - this.#saidAtMs < PROGRESS_MS) return;
    this.#saidAtMs = now;
    this.say(text);
  }

  #timeToGo(tokens: number, tokensPerSecond: number): string {
    if (this.#tokensToGo === null || tokensPerSecond === 0) return "";
    const ms = 1000 * Math.max(0, this.#tokensToGo(this.#results) - tokens) / tokensPerSecond;
    return `  about ${clock(ms)} to go`;
  }

  #draw(lines: readonly string[]): void {
    this.#lines = lines;
    this.#block?.draw(lines);
  }
}
