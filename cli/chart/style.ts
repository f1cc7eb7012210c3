/**
 * How charts look: colours for light and for dark surroundings, and the shapes that tell series apart without colour.
 *
 * A picture brings its own background in both, so it can be read wherever it is shown, also where the page is dark and
 * the reader's system light. Which of the two is chosen is the reader's system (`prefers-color-scheme`).
 * @module
 */
// @ts-types="@types/d3-shape"
import {
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  type SymbolType,
  symbolWye,
} from "d3-shape";

export interface Theme {
  readonly background: string;
  readonly text: string;
  /** Of axes and of the lines behind the data. */
  readonly axis: string;
  readonly grid: string;
  readonly series: readonly string[];
}

export const LIGHT: Theme = {
  background: "#ffffff",
  text: "#1f2328",
  axis: "#6e7781",
  grid: "#e4e8ec",
  series: ["#0969b2", "#c24e00", "#0b7a57", "#8f48b8", "#b5305f", "#7d6000", "#0b7587", "#57606a"],
};

export const DARK: Theme = {
  background: "#0d1117",
  text: "#e6edf3",
  axis: "#8b949e",
  grid: "#262c34",
  series: ["#58a6ff", "#f0883e", "#3fc28e", "#c297ff", "#ff7fb2", "#d9b13b", "#4fd0de", "#a5aeb8"],
};

/** With eight colours, 56 series look different. */
export const SYMBOLS: readonly SymbolType[] = [
  ...[symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolStar, symbolWye],
];

export const FONT_PX = 12, TITLE_PX = 15;
/** A generous guess: a text is not measured, as there is nothing here to measure with. */
export const CHARACTER_PX = 6.8;

/** The class of the series of this number. */
export function classOf(index: number): string {
  return `s${index % LIGHT.series.length}`;
}

/** The symbol of the series of this number. */
export function symbolOf(index: number): SymbolType {
  return SYMBOLS[index % SYMBOLS.length]!;
}

/** The style sheet of a picture. */
export function styleSheet(): string {
  return `text{font:${FONT_PX}px system-ui,-apple-system,"Segoe UI",sans-serif}` +
    ".over{paint-order:stroke;stroke-width:3;stroke-linejoin:round}" +
    `.title{font-size:${TITLE_PX}px;font-weight:600}.heading{font-weight:600}` +
    `${rules(LIGHT)}@media(prefers-color-scheme:dark){${rules(DARK)}}`;
}

function rules({ background, text, axis, grid, series }: Theme): string {
  return `.background{fill:${background}}.over{stroke:${background}}text{fill:${text}}.axis{stroke:${axis}}.guide{stroke:${text}}` +
    `.grid{stroke:${grid}}${series.map((colour, i) => `.${classOf(i)}{color:${colour}}`).join("")}`;
}
