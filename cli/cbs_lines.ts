/**
 * A critical-batch report as lines of text. Pure.
 * @module
 */
import type { CbsOptions } from "../runtime/experiment/cbs_plan.ts";
import type { CbsAnswer, CbsReport } from "../runtime/experiment/cbs_report.ts";
import { counted, table } from "./format.ts";

/** The report, an answer after another, then what it says of what was varied. */
export function cbsLines({ answers, law, exponents }: CbsReport, options: CbsOptions): string[] {
  const many = answers.length > 1;
  const lines = answers.flatMap((
    answer,
  ) => [...(many ? [`── ${answer.label}`] : []), ...answerLines(answer, options), ""]);
  if (options.vary === null) return lines.slice(0, -1);
  const { what } = options.vary;
  const rows = answers.map(({ label, tokens, parameters, critical, deviation, noiseScale }) => [
    label,
    counted(tokens),
    counted(parameters),
    critical === null ? "–" : spread(critical.batch, deviation),
    noiseScale === null ? "–" : figure(noiseScale),
    critical === null ? "too few batches" : critical.doubts.length > 0 ? "doubtful" : "",
  ]);
  return [
    ...lines,
    ...table(["varied", " tokens", " parameters", " B*", " noise scale", ""], rows),
    law === null
      ? `B* could not be measured at two values of the ${what} at least, so there is no law.`
      : `B* ∝ ${what === "data" ? "tokens" : "parameters"}^${law.exponent.toFixed(2)} (${answers.length} values` +
        (exponents.length > 1 ? `; by seed ${exponents.map((exponent) => exponent.toFixed(2)).join(", ")})` : ")"),
  ];
}

function answerLines(answer: CbsAnswer, { reference, run, rates }: CbsOptions): string[] {
  const { critical, contextLength, rows, targets, bySeed, deviation, noiseScale, isTrivial } = answer;
  const known = targets.filter((target) => target !== null);
  if (known.length === 0) {
    const isTried = rows.some((row) => row.batch === reference && row.isTried);
    return [
      isTried
        ? "No target: the reference batch has diverged at every rate (then: smaller --rates), or was trained on fewer " +
          "tokens than the first held-out loss comes after (then: more --tokens)."
        : "No target yet: the reference batch, which sets it, has not been trained to its end.",
    ];
  }
  if (isTrivial) {
    return [
      `The untrained model already has the loss ${
        known[0]!.toFixed(4)
      }: there is nothing to measure. Give a lower --target.`,
    ];
  }
  const cells = rows.map(({ batch, isTried, steps, bySeed, factors, residual }) => [
    String(batch),
    counted(batch * contextLength),
    steps === null ? "–" : figure(steps),
    steps === null ? "–" : counted(steps * batch * contextLength),
    critical === null ? "–" : figure(critical.a + critical.b / batch),
    residual === null ? "–" : off(residual),
    rates.length > 1 ? factors.map((factor) => factor === null ? "–" : `×${factor}`).join(" ") : "",
    steps !== null
      ? ""
      : !isTried
      ? "not done"
      : bySeed.some((own) => own !== null)
      ? "not at every seed"
      : "target not reached",
  ]);
  const headings = [" batch", " tokens a step", " steps", " tokens", " fit", " off by", " rate", ""];
  return [
    `target loss ${known.map((target) => target.toFixed(4)).join(", ")}   rate ${run.training.learningRate} at batch ` +
    `${run.training.batch}, × √(batch ratio)`,
    ...table(headings, cells),
    ...(critical === null
      ? !rows.every(({ isTried }) => isTried) ? ["Too few batches are done for a fit."] : [
        "Fewer than two batch sizes reached the target: nothing to fit. Give fewer --tokens or a higher --target, other " +
        "--rates, or more --batches.",
      ]
      : [
        `steps = ${figure(critical.a)} + ${figure(critical.b)} / batch`,
        `B* = b/(5a) + 1.2 · ${reference} = ${spread(critical.batch, deviation)} sequences = ` +
        `${counted(critical.batch * contextLength)} tokens` +
        (bySeed.length > 1
          ? `   (by seed: ${bySeed.map((batch) => batch === null ? "–" : figure(batch)).join(", ")})`
          : ""),
      ]),
    ...(noiseScale === null
      ? []
      : [`gradient noise scale there: ${figure(noiseScale)} sequences (of one moment; B* is of the whole way)`]),
    ...(critical?.doubts ?? []).map((doubt) => `Not to be trusted: ${doubt}.`),
  ];
}

function spread(value: number, deviation: number | null): string {
  return deviation === null ? figure(value) : `${figure(value)} ± ${figure(deviation)}`;
}

/** 0.0213 → "+2.1 %". */
function off(residual: number): string {
  const value = Number((100 * residual).toFixed(1)) + 0; // no minus before a zero
  return `${value > 0 ? "+" : ""}${value.toFixed(1)} %`;
}

/** Three significant digits, and no fewer than those before the point. */
function figure(value: number): string {
  return Math.abs(value) >= 100 ? counted(value) : String(Number(value.toPrecision(3)));
}
