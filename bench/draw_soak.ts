/**
 * Draws `docs/soak.svg` from the lines of the newest soak in `bench/results/`: what each peer held over time.
 *
 *     deno run -A bench/draw_soak.ts [folder of results]
 * @module
 */
import { drawChart, type Panel } from "../cli/chart/chart.ts";
import { readResults, type RecordedLine, RESULTS } from "./line.ts";

const PICTURE = new URL("../docs/soak.svg", import.meta.url);
const PANELS = [["rssMiB", "resident memory, MiB"], ["handles", "open handles"], ["diskMiB", "disk, MiB"]] as const;

if (import.meta.main) {
  const soaks = readResults(Deno.args[0] ?? RESULTS)
    .map((lines) => lines.filter(({ bench, minute }) => bench === "soak" && minute !== undefined));
  const newest = soaks.findLast((lines) => lines.length > 0);
  if (newest === undefined) throw new Error(`Cannot draw: no file in ${RESULTS} has lines of a soak`);
  Deno.writeTextFileSync(PICTURE, drawSoak(newest));
}

/** The samples of one soak as an SVG: a panel a figure, a line a peer, from zero. */
export function drawSoak(samples: readonly RecordedLine[]): string {
  const inHours = Math.max(...samples.map(({ minute }) => Number(minute))) >= 120;
  const byPeer = [...Map.groupBy(samples, ({ name }) => name)];
  return drawChart({
    title: "Three peers over time",
    description: "Resident memory, open handles and disk of each peer.",
    columns: 1,
    panels: PANELS.map(([key, label]): Panel => ({
      title: label,
      x: { label: inHours ? "hours" : "minutes", fromZero: true },
      y: { label, fromZero: true },
      series: byPeer.map(([name, own]) => ({
        name,
        points: own.map((line) => ({ x: Number(line["minute"]) / (inHours ? 60 : 1), y: Number(line[key]) })),
      })),
    })),
  });
}
