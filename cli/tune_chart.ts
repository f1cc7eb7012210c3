/**
 * A tuning report as a picture: loss over the learning rate, a line for each choice of the outer optimizer. Pure.
 * @module
 */
import type { TuneReport } from "../runtime/experiment/tune_report.ts";
import type { Chart } from "./chart/chart.ts";

export function tuneChart({ rows, best }: TuneReport): Chart {
  const lines = Map.groupBy(rows, ({ outerRate, momentum }) => `outer rate ${outerRate}, momentum ${momentum}`);
  return {
    title: "Rates tried",
    description: best === null
      ? "No choice has been tried at every seed yet."
      : `Held-out loss by learning rate; the best is ${best.rate} with outer rate ${best.outerRate} and momentum ${best.momentum}.`,
    panels: [{
      title: "Held-out loss at equal tokens",
      x: { label: "learning rate of the run", scale: "log" },
      y: { label: "loss, nats" },
      series: [...lines].sort(([a], [b]) => a < b ? -1 : 1).map(([name, own]) => ({
        name,
        points: own.toSorted((a, b) => a.rate - b.rate).map(({ rate, loss, deviation }) => ({
          x: rate,
          y: loss ?? NaN, // a gap: it diverged, or is not done
          low: (loss ?? NaN) - (deviation ?? 0),
          high: (loss ?? NaN) + (deviation ?? 0),
        })),
      })),
    }],
  };
}
