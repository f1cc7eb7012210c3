/**
 * Draws `docs/growth.svg` from the lines of the newest run of `growth` in `bench/results/`: the time of a step against
 * each thing that grows, with the power law that fits.
 *
 *     deno run -A bench/draw_growth.ts [folder of results]
 * @module
 */
import { drawChart, type Panel } from "../cli/chart/chart.ts";
import { fitPowerLaw } from "../runtime/experiment/critical_batch.ts";
import { readResults, type RecordedLine, RESULTS } from "./line.ts";

const PICTURE = new URL("../docs/growth.svg", import.meta.url);
const LABELS: Readonly<Record<string, string>> = {
  "by parameters": "parameters",
  "by context": "context, tokens",
  "by batch": "batch, sequences",
};

if (import.meta.main) {
  const newest = readResults(Deno.args[0] ?? RESULTS).map((lines) => lines.filter(({ bench }) => bench === "growth"))
    .findLast((lines) => lines.length > 0);
  if (newest === undefined) throw new Error(`Cannot draw: no file in ${RESULTS} has lines of growth`);
  Deno.writeTextFileSync(PICTURE, drawGrowth(newest));
}

/** The points of one run as an SVG: a panel for each thing that grows, symbols for each device, dashes for its law. */
export function drawGrowth(lines: readonly RecordedLine[]): string {
  return drawChart({
    title: "The time of a training step as it grows",
    description: "Milliseconds of a step against parameters, context and batch, with the power law that fits each.",
    columns: 3,
    panels: Object.entries(LABELS).map(([name, label]): Panel => {
      const own = lines.filter((line) => line.name === name && typeof line["msPerStep"] === "number");
      return {
        title: `Step ${name}`,
        x: { label, scale: "log" },
        y: { label: "ms per step", scale: "log" },
        series: [...Map.groupBy(own, ({ device }) => String(device))].flatMap(([device, rows]) => {
          const points = rows.map((line) => ({ x: Number(line["size"]), y: Number(line["msPerStep"]) }));
          const law = fitPowerLaw(points);
          const fitted = points.map(({ x }) => ({ x, y: law === null ? NaN : law.scale * x ** law.exponent }));
          return [
            { name: device, style: "points" as const, points },
            { name: `${device}, fit`, style: "dashes" as const, points: fitted },
          ];
        }),
      };
    }),
  });
}
