/**
 * Draws `docs/soak.svg` from the lines of the newest soak in `bench/results/`: what each peer held over time.
 *
 *     deno run -A bench/draw_soak.ts [folder of results]
 * @module
 */
import { readResults, type RecordedLine, RESULTS } from "./line.ts";

const PICTURE = new URL("../docs/soak.svg", import.meta.url);
const WIDTH = 720, PANEL_HEIGHT = 130, LEFT = 60, RIGHT = 110, TOP = 30, GAP = 40;
/** Told apart without colour by their places at the right. */
const COLOURS = ["#1b6ca8", "#c2571a", "#3f7d3f", "#7a4fa3"];
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
  const lastMinute = Math.max(...samples.map(({ minute }) => Number(minute)));
  const inHours = lastMinute >= 120, end = inHours ? lastMinute / 60 : lastMinute;
  const panels = PANELS.map(([key, title], i) =>
    drawPanel(samples, { key, title, lastMinute, top: TOP + i * (PANEL_HEIGHT + GAP) })
  );
  const height = TOP + PANELS.length * (PANEL_HEIGHT + GAP);
  const axis = text(
    WIDTH - RIGHT,
    height - GAP + 20,
    `${Number(end.toPrecision(3))} ${inHours ? "hours" : "minutes"}`,
    "end",
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${[...panels, axis].join("\n")}
</svg>
`;
}

interface PanelOptions {
  readonly key: string;
  readonly title: string;
  readonly lastMinute: number;
  readonly top: number;
}

function drawPanel(samples: readonly RecordedLine[], { key, title, lastMinute, top }: PanelOptions): string {
  const most = Math.max(1e-9, ...samples.map((line) => Number(line[key]))), bottom = top + PANEL_HEIGHT;
  const x = (minute: number) => LEFT + (WIDTH - LEFT - RIGHT) * minute / Math.max(1e-9, lastMinute);
  const y = (value: number) => bottom - PANEL_HEIGHT * value / most;
  const lines = [...Map.groupBy(samples, ({ name }) => name)].map(([name, own], i) => {
    const points = own.map((line) => `${x(Number(line["minute"])).toFixed(1)},${y(Number(line[key])).toFixed(1)}`);
    const colour = COLOURS[i % COLOURS.length]!;
    return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>\n` +
      `<text x="${WIDTH - RIGHT + 10}" y="${top + 14 + 16 * i}" fill="${colour}">${name} ${
        figure(own.at(-1)![key])
      }</text>`;
  });
  return [
    text(LEFT, top - 10, title, "start"),
    `<path d="M${LEFT} ${top}V${bottom}H${WIDTH - RIGHT}" fill="none" stroke="#888"/>`,
    text(LEFT - 6, top + 10, figure(most), "end"),
    text(LEFT - 6, bottom, "0", "end"),
    ...lines,
  ].join("\n");
}

function text(x: number, y: number, words: string, anchor: "start" | "end"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#333">${words}</text>`;
}

function figure(value: unknown): string {
  return String(Number(Number(value).toPrecision(3)));
}
