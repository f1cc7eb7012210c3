/**
 * Draws `docs/methods/critical-batch.svg` from the newest lines of the benchmark `cbs` in `bench/results/`: steps over
 * batch for the most data, and B* against data, width and depth with the law of each.
 *
 *     deno run -A bench/draw_cbs.ts [folder of results]
 * @module
 */
import { type Chart, drawChart, type Panel, type Series } from "../cli/chart/chart.ts";
import { readResults, type RecordedLine, RESULTS } from "./line.ts";

const PICTURE = new URL("../docs/methods/critical-batch.svg", import.meta.url);
const UNITS: Readonly<Record<string, string>> = {
  data: "data, tokens",
  width: "parameters, by width",
  depth: "parameters, by depth",
};

if (import.meta.main) {
  const newest = readResults(Deno.args[0] ?? RESULTS).map((lines) => lines.filter(({ bench }) => bench === "cbs"))
    .findLast((lines) => lines.length > 0);
  if (newest === undefined) throw new Error(`Cannot draw: no file in ${RESULTS} has lines of cbs`);
  Deno.writeTextFileSync(PICTURE, drawChart(cbsPicture(newest)));
}

/** The lines of one run of the benchmark as a chart: a panel of steps, then one for each thing that was varied. */
export function cbsPicture(lines: readonly RecordedLine[]): Chart {
  const sources = [...new Set(lines.map(({ name }) => name.split(",")[0]!))];
  return {
    title: "Critical batch size of small models",
    description: "Steps to the target loss by batch size, and the critical batch B* against data, width and depth.",
    panels: [
      stepsPanel(lines, sources),
      ...Object.keys(UNITS).map((what) => lawPanel(lines, { what, sources })),
    ],
  };
}

function stepsPanel(lines: readonly RecordedLine[], sources: readonly string[]): Panel {
  return {
    title: "Steps to the target, with the fit a + b/B",
    x: { label: "batch, sequences", scale: "log" },
    y: { label: "steps", scale: "log" },
    series: sources.flatMap((source) => {
      const rows = lines.filter(({ name, steps }) => name.startsWith(`${source}, data ×1, batch`) && steps !== null);
      const fit = lines.find(({ name }) => name === `${source}, data ×1`);
      const a = Number(fit?.["a"]), b = Number(fit?.["b"]);
      const measured: Series = {
        name: source,
        style: "points",
        points: rows.map(({ batch, steps, leastSteps, mostSteps }) => ({
          ...{ x: Number(batch), y: Number(steps), low: Number(leastSteps), high: Number(mostSteps) },
        })),
      };
      const points = rows.map(({ batch }) => ({ x: Number(batch), y: a + b / Number(batch) }));
      return fit === undefined ? [measured] : [measured, { name: `${source}, fit`, style: "dashes" as const, points }];
    }),
  };
}

function lawPanel(
  lines: readonly RecordedLine[],
  { what, sources }: { readonly what: string; readonly sources: readonly string[] },
): Panel {
  const exponents = sources.flatMap((source) => {
    const law = lines.find(({ name }) => name === `${source}, law of ${what}`);
    return law === undefined || law["exponent"] === null ? [] : [`${source} ${Number(law["exponent"]).toFixed(2)}`];
  });
  return {
    title: `B* over ${what}${exponents.length === 0 ? "" : `: exponent ${exponents.join(", ")}`}`,
    x: { label: UNITS[what]!, scale: "log" },
    y: { label: "B*, sequences", scale: "log" },
    series: sources.map((source) => ({
      name: source,
      points: lines
        .filter(({ name, varied, criticalBatch }) =>
          name.startsWith(`${source}, ${what} ×`) && varied === what && typeof criticalBatch === "number"
        )
        .map(({ x, criticalBatch, deviation }) => {
          const y = Number(criticalBatch), half = Number(deviation ?? 0);
          return { x: Number(x), y, low: y - half, high: y + half };
        }),
    })),
  };
}
