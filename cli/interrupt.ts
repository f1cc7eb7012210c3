/**
 * Ctrl+C: once asks to stop, twice ends the process now.
 * @module
 */
/** The reason of the signal when it was Ctrl+C. */
export const BY_USER = "interrupted";

export interface Interrupt extends Disposable {
  /** Aborts at the first Ctrl+C (or SIGTERM, or when `stop` is called). */
  readonly signal: AbortSignal;
  /** Stops as Ctrl+C would. */
  stop(reason: string): void;
}

/** Listens for Ctrl+C until it is disposed. */
export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) Deno.exit(130);
    controller.abort(BY_USER);
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
