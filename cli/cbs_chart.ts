/**
 * A critical-batch report as a picture: steps over batch with the fits, and how B* moves with what was varied. Pure.
 * @module
 */
import type { CbsOptions } from "../runtime/experiment/cbs_plan.ts";
import type { CbsAnswer, CbsReport } from "../runtime/experiment/cbs_report.ts";
import type { Chart, Panel, Series } from "./chart/chart.ts";

/** Points of a drawn fit. */
const FIT_POINTS = 60;

/** Steps at every batch size, each with its fit; a second panel where something was varied. */
export function cbsChart({ answers, law }: CbsReport, { vary }: Pick<CbsOptions, "vary">): Chart {
  const found = answers.flatMap(({ label, critical }) =>
    critical !== null && critical.a > 0 ? [`${label === "" ? "B*" : label} ${Math.round(critical.batch)}`] : []
  );
  return {
    title: "Critical batch size",
    description: `Steps to the target loss by batch size, with the fit a + b/B: ${found.join(", ") || "no fit yet"}.`,
    panels: [stepsPanel(answers), ...(vary === null ? [] : [criticalPanel(answers, { what: vary.what, law })])],
  };
}

function stepsPanel(answers: readonly CbsAnswer[]): Panel {
  return {
    title: "Steps to the target",
    x: { label: "batch, sequences", scale: "log" },
    y: { label: "steps", scale: "log" },
    series: answers.flatMap((answer) => [measured(answer), ...fitted(answer)]),
    guides: answers.length > 1
      ? []
      : answers.flatMap(({ critical }) =>
        critical === null || !(critical.a > 0)
          ? []
          : [{ axis: "x" as const, at: critical.batch, label: `B* ${Math.round(critical.batch)}` }]
      ),
  };
}

function measured({ label, rows }: CbsAnswer): Series {
  return {
    name: label === "" ? "measured" : label,
    style: "points",
    points: rows.flatMap(({ batch, steps, bySeed }) => {
      const known = bySeed.filter((own) => own !== null);
      return steps === null ? [] : [{ x: batch, y: steps, low: Math.min(...known), high: Math.max(...known) }];
    }),
  };
}

function fitted({ label, rows, critical }: CbsAnswer): Series[] {
  if (critical === null || !(critical.a > 0) || !(critical.b > 0)) return [];
  const first = rows[0]!.batch, last = rows.at(-1)!.batch;
  const batches = Array.from({ length: FIT_POINTS }, (_, i) => first * (last / first) ** (i / (FIT_POINTS - 1)));
  return [{
    name: label === "" ? "a + b/B" : `${label}, a + b/B`,
    style: "dashes",
    points: batches.map((batch) => ({ x: batch, y: critical.a + critical.b / batch })),
  }];
}

function criticalPanel(
  answers: readonly CbsAnswer[],
  { what, law }: { readonly what: string; readonly law: CbsReport["law"] },
): Panel {
  const points = answers.flatMap(({ x, critical, deviation }) => {
    if (critical === null || !(critical.a > 0)) return [];
    const { batch } = critical, half = deviation ?? 0;
    return [{ x, y: batch, low: batch - half, high: batch + half }];
  });
  const ends = [points[0], points.at(-1)].filter((point) => point !== undefined);
  return {
    title: "Where batches stop paying",
    x: { label: what === "data" ? "data, tokens" : `parameters, by ${what}`, scale: "log" },
    y: { label: "B*, sequences", scale: "log" },
    series: [
      { name: "B*", style: "points", points },
      ...(law === null ? [] : [{
        name: `${what === "data" ? "tokens" : "parameters"}^${law.exponent.toFixed(2)}`,
        style: "dashes" as const,
        points: ends.map(({ x }) => ({ x, y: law.scale * x ** law.exponent })),
      }]),
    ],
  };
}
