/**
 * Ctrl+C: once asks to stop, twice ends the process now.
 * @module
 */
/**
 * Signals so close to the first are the same Ctrl+C: a terminal sends it to `deno task` and to us, and the former passes it
 * on once more, within a millisecond or two.
 */
const SAME_PRESS_MS = 250;

/** The reason of the signal when it was Ctrl+C. */
export const BY_USER = "interrupted";

export interface Interrupt extends Disposable {
  /** Aborts at the first Ctrl+C (or SIGTERM, or when `stop` is called). */
  readonly signal: AbortSignal;
  /** Stops as Ctrl+C would. */
  stop(reason: string): void;
}

/** Listens for Ctrl+C until it is disposed. @param now The clock, in milliseconds. */
export function listenForInterrupt(now: () => number = () => performance.now()): Interrupt {
  const controller = new AbortController();
  let firstAtMs: number | undefined;
  const onSignal = () => {
    firstAtMs ??= now();
    if (!controller.signal.aborted) controller.abort(BY_USER);
    else if (now() - firstAtMs > SAME_PRESS_MS) Deno.exit(130);
  };
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return {
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
    },
  };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
