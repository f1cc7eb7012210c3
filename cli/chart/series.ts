/**
 * One series in a panel: its band, its line with gaps where there is no value, and its symbols.
 * @module
 */
// @ts-types="@types/d3-shape"
import { area, line, symbol } from "d3-shape";
import type { LaidAxis } from "./axis.ts";
import type { Point, Series } from "./chart.ts";
import { classOf, symbolOf, SYMBOLS } from "./style.ts";
import { element, type Svg } from "./svg.ts";

export interface SeriesPlace {
  readonly x: LaidAxis;
  readonly y: LaidAxis;
  /** Which colour and symbol. */
  readonly index: number;
}

/** A point in pixels; NaN where it cannot be drawn. */
interface Placed {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

/** Symbols on a line: enough to tell it from others. */
const SYMBOLS_ON_LINE = 6;
const SYMBOL_AREA = 30;

/** Draws a series; null if it has nothing to draw. */
export function drawSeries({ name, points, style = "line" }: Series, { x, y, index }: SeriesPlace): Svg | null {
  const placed = thinned(points.map((point) => placedAt(point, { x, y })));
  const drawable = placed.filter(isDrawable);
  if (drawable.length === 0) return null;
  const isLine = style !== "points";
  const parts = [
    element("title", {}, name),
    ...(drawable.some(({ low, high }) => low !== high) ? [drawSpread(placed, isLine)] : []),
    ...(isLine ? [drawLine(placed, style === "dashes")] : []),
    ...(style === "dashes"
      ? []
      : (isLine ? someOf(drawable, index) : drawable).map(({ x, y }) => drawSymbol(index, x, y))),
  ];
  return element("g", { class: classOf(index) }, parts);
}

/** The symbol of a series. */
export function drawSymbol(index: number, x: number, y: number): Svg {
  const path = symbol(symbolOf(index), SYMBOL_AREA).digits(1)()!;
  return element("path", { d: path, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, fill: "currentColor" });
}

/** The line of a series, or a sample of it. */
export function drawLine(points: readonly { readonly x: number; readonly y: number }[], isDashed: boolean): Svg {
  const path = line<{ x: number; y: number }>(({ x }) => x, ({ y }) => y).defined(isDrawable).digits(1)([...points])!;
  return element("path", {
    d: path,
    ...{ fill: "none", stroke: "currentColor", "stroke-width": "1.8", "stroke-linejoin": "round" },
    "stroke-linecap": isDashed ? "butt" : "round", // a round end makes a dot of a point without neighbours
    ...(isDashed ? { "stroke-dasharray": "6 4" } : {}),
  });
}

/** From the least to the greatest: a band around a line, a stroke through a point. */
function drawSpread(placed: readonly Placed[], isLine: boolean): Svg {
  if (isLine) {
    const band = area<Placed>(({ x }) => x, ({ low }) => low, ({ high }) => high).defined(isDrawable).digits(1);
    return element("path", { d: band([...placed])!, fill: "currentColor", "fill-opacity": "0.18" });
  }
  const strokes = placed.filter(isDrawable).map(({ x, low, high }) =>
    `M${x.toFixed(1)},${low.toFixed(1)}V${high.toFixed(1)}`
  );
  return element("path", { d: strokes.join(""), stroke: "currentColor", "stroke-width": "1.8" });
}

function placedAt(point: Point, { x, y }: Pick<SeriesPlace, "x" | "y">): Placed {
  const at = y.place(point.y);
  const end = (value: number | undefined) => {
    const placed = y.place(value ?? point.y);
    return Number.isNaN(placed) ? at : placed;
  };
  return { x: x.place(point.x), y: at, low: end(point.low), high: end(point.high) };
}

function isDrawable({ x, y }: { readonly x: number; readonly y: number }): boolean {
  return !Number.isNaN(x) && !Number.isNaN(y);
}

/** Of all the points in one column of pixels that stand side by side: the first, the lowest, the highest, the last. */
function thinned(placed: readonly Placed[]): readonly Placed[] {
  const kept: Placed[] = [];
  for (let first = 0, end = 0; first < placed.length; first = end) {
    const column = Math.round(placed[first]!.x), drawable = isDrawable(placed[first]!);
    for (end = first + 1; end < placed.length; end++) {
      if (Math.round(placed[end]!.x) !== column || isDrawable(placed[end]!) !== drawable) break;
    }
    const inColumn = placed.slice(first, end);
    if (inColumn.length <= 4 || !drawable) {
      kept.push(...inColumn.slice(0, drawable ? 4 : 1));
      continue;
    }
    const lowest = inColumn.reduce((a, b) => b.y > a.y ? b : a), highest = inColumn.reduce((a, b) => b.y < a.y ? b : a);
    const wanted = new Set([inColumn[0]!, lowest, highest, inColumn.at(-1)!]);
    kept.push(...inColumn.filter((point) => wanted.has(point)));
  }
  return kept;
}

/** Evenly spaced, and not at the same places as those of other series. */
function someOf(points: readonly Placed[], index: number): readonly Placed[] {
  const stride = Math.max(1, Math.ceil(points.length / SYMBOLS_ON_LINE));
  const offset = Math.floor(stride * (index % SYMBOLS.length) / SYMBOLS.length);
  return points.filter((_, i) => (points.length - 1 - i) % stride === offset);
}
