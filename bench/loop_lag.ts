/**
 * How late timers of a thread come: what its event loop makes whoever uses it wait.
 *
 * A thread that stands still for long would be noted as one late tick among many, and so look harmless; every tick that
 * should have come meanwhile is therefore noted with the lag that it would have had.
 * @module
 */

const TICK_MS = 10;

export interface LoopLag {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  readonly ticks: number;
}

/** Notes how much later than asked for each tick comes; `stop` sums up. */
export function watchLoop(): { stop(): LoopLag } {
  const lags: number[] = [];
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lags.push(nowMs - lastMs - TICK_MS);
    for (let lag = nowMs - lastMs - 2 * TICK_MS; lag > 0; lag -= TICK_MS) lags.push(lag);
    lastMs = nowMs;
  }, TICK_MS);
  return {
    stop() {
      clearInterval(timer);
      lags.sort((a, b) => a - b);
      const at = (share: number) => Number(lags[Math.floor(share * (lags.length - 1))]!.toFixed(2));
      return { p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1), ticks: lags.length };
    },
  };
}
