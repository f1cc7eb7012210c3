/**
 * Charts: from plain data to the text of an SVG picture, with several panels under one legend.
 *
 * Pure: the same data give the same text. A value that is not finite is a gap in its line; on an axis of logarithms so
 * is what is not above zero. Series of one name have one colour and one symbol in all panels.
 * @module
 */
import { layAxis } from "./axis.ts";
import { drawLine, drawSeries, drawSymbol } from "./series.ts";
import { CHARACTER_PX, classOf, FONT_PX, styleSheet, TITLE_PX } from "./style.ts";
import { element, type Svg } from "./svg.ts";

export interface Chart {
  readonly title: string;
  /** What there is to see, in a sentence, for those who cannot see it. */
  readonly description: string;
  readonly panels: readonly Panel[];
  /** Panels in a row; two unless it is said. */
  readonly columns?: number;
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly guides?: readonly Guide[];
}

export interface Axis {
  /** What it is, and its unit: `loss, nats`. */
  readonly label: string;
  readonly scale?: "linear" | "log";
  /** Whether a linear axis shows zero however far away the values are. */
  readonly fromZero?: boolean;
}

export interface Series {
  readonly name: string;
  /** In the order in which they are joined. */
  readonly points: readonly Point[];
  /** `line` with a few symbols on it, `points` with a symbol each, or `dashes` for what is no measurement. */
  readonly style?: "line" | "points" | "dashes";
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Ends of its spread, e.g. the least and the greatest of several seeds. */
  readonly low?: number;
  readonly high?: number;
}

/** A line across the panel at a value of an axis. */
export interface Guide {
  readonly axis: "x" | "y";
  readonly at: number;
  readonly label: string;
}

const PANEL_WIDTH = 430, PANEL_HEIGHT = 270;
/** Around the field of a panel. */
const LEFT = 66, RIGHT = 22, TOP = 34, BOTTOM = 50;
const LINE_PX = 20, EDGE = 16;
/** Pixels that a tick's label needs along its axis. */
const TICK_X = 48, TICK_Y = 28;
/** Of a legend's line sample, and between two entries. */
const SAMPLE = 26, BETWEEN = 20;

/** Draws a chart. */
export function drawChart({ title, description, panels, columns = 2 }: Chart): string {
  const inRow = Math.max(1, Math.min(columns, panels.length)), width = inRow * PANEL_WIDTH;
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
  const legend = drawLegend(names, panels, { top: EDGE + TITLE_PX + 12, width });
  const head = legend.bottom, rows = Math.ceil(panels.length / inRow), height = head + rows * PANEL_HEIGHT;
  const drawn = panels.map((panel, i) =>
    element(
      "g",
      { transform: `translate(${i % inRow * PANEL_WIDTH} ${head + Math.floor(i / inRow) * PANEL_HEIGHT})` },
      drawPanel(panel, names),
    )
  );
  const picture = element("svg", {
    ...{ xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" },
  }, [
    element("title", {}, title),
    element("desc", {}, description),
    `<style>${styleSheet()}</style>` as Svg,
    element("rect", { class: "background", width: "100%", height: "100%" }),
    words(title, { x: EDGE, y: EDGE + TITLE_PX, class: "title" }),
    ...legend.entries,
    ...drawn,
  ]);
  return `${picture}\n`;
}

/** The names of all series with their samples, in as many lines as it takes. */
function drawLegend(
  names: readonly string[],
  panels: readonly Panel[],
  { top, width }: { readonly top: number; readonly width: number },
): { readonly entries: readonly Svg[]; readonly bottom: number } {
  let x = EDGE, y = top + LINE_PX / 2;
  const entries = names.map((name, index) => {
    const entryWidth = SAMPLE + 6 + name.length * CHARACTER_PX;
    if (x > EDGE && x + entryWidth > width - EDGE) [x, y] = [EDGE, y + LINE_PX];
    const style = panels.flatMap(({ series }) => series).find((series) => series.name === name)?.style ?? "line";
    const ends = [{ x, y }, { x: x + SAMPLE, y }];
    const entry = element("g", { class: classOf(index) }, [
      ...(style === "points" ? [] : [drawLine(ends, style === "dashes")]),
      ...(style === "dashes" ? [] : [drawSymbol(index, x + SAMPLE / 2, y)]),
      words(name, { x: x + SAMPLE + 6, y: y + FONT_PX / 3 }),
    ]);
    x += entryWidth + BETWEEN;
    return entry;
  });
  return { entries, bottom: names.length === 0 ? top : y + LINE_PX };
}

function drawPanel({ title, x, y, series, guides = [] }: Panel, names: readonly string[]): readonly Svg[] {
  const right = PANEL_WIDTH - RIGHT, bottom = PANEL_HEIGHT - BOTTOM;
  const points = series.flatMap(({ points }) => points);
  const values = (axis: "x" | "y", own: readonly number[]) => [
    ...own,
    ...guides.filter((guide) => guide.axis === axis).map(({ at }) => at),
  ];
  const laidX = layAxis(values("x", points.map((point) => point.x)), x, {
    ...{ from: LEFT, to: right, mostTicks: Math.floor((right - LEFT) / TICK_X) },
  });
  const laidY = layAxis(values("y", points.flatMap(({ y, low = y, high = y }) => [y, low, high])), y, {
    ...{ from: bottom, to: TOP, mostTicks: Math.floor((bottom - TOP) / TICK_Y) },
  });
  const lines = series.flatMap((one) => {
    const drawn = drawSeries(one, { x: laidX, y: laidY, index: names.indexOf(one.name) });
    return drawn === null ? [] : [drawn];
  });
  const middle = { x: (LEFT + right) / 2, y: (TOP + bottom) / 2 };
  return [
    words(title, { x: LEFT, y: TOP - 12, class: "heading" }),
    ...laidY.ticks.flatMap(({ at, label }) => [
      element("path", { class: "grid", d: `M${LEFT},${at.toFixed(1)}H${right}` }),
      words(label, { x: LEFT - 7, y: at + FONT_PX / 3, "text-anchor": "end" }),
    ]),
    ...laidX.ticks.flatMap(({ at, label }) => [
      element("path", { class: "axis", d: `M${at.toFixed(1)},${bottom}v4` }),
      words(label, { x: at, y: bottom + 17, "text-anchor": "middle" }),
    ]),
    element("path", { class: "axis", fill: "none", d: `M${LEFT},${TOP}V${bottom}H${right}` }),
    words(x.label, { x: middle.x, y: PANEL_HEIGHT - 14, "text-anchor": "middle" }),
    words(y.label, { transform: `translate(15 ${middle.y.toFixed(1)}) rotate(-90)`, "text-anchor": "middle" }),
    ...lines,
    ...guides.flatMap(({ axis, at, label }) => {
      const place = (axis === "x" ? laidX : laidY).place(at);
      if (Number.isNaN(place)) return [];
      const d = axis === "x" ? `M${place.toFixed(1)},${TOP}V${bottom}` : `M${LEFT},${place.toFixed(1)}H${right}`;
      const text = axis === "x"
        ? { x: place + 4, y: TOP + FONT_PX, "text-anchor": "start" }
        : { x: right, y: place - 4, "text-anchor": "end" };
      return [
        element("path", { class: "guide", d, "stroke-dasharray": "2 3" }),
        words(label, { ...text, class: "over" }),
      ];
    }),
    ...(lines.length === 0 ? [words("no data", { ...middle, "text-anchor": "middle" })] : []),
  ];
}

function words(text: string, attributes: Readonly<Record<string, string | number>>): Svg {
  return element("text", attributes, text);
}
