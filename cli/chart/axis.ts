/**
 * One axis: which values it spans, where each lies, and which of them are labelled.
 *
 * Ticks and scales are d3's. The one thing to know: a linear axis is widened to round ends, one of logarithms only by a
 * margin, because the next powers of ten may be far away.
 * @module
 */
// @ts-types="@types/d3-scale"
import { scaleLinear, scaleLog, tickFormat } from "d3-scale";
import type { Axis } from "./chart.ts";

/** An axis with its place in the picture. */
export interface LaidAxis {
  /** Pixels; NaN for what cannot be drawn: not finite, or not above zero on an axis of logarithms. */
  place(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

export interface LayOptions {
  /** Pixels of the least and of the greatest value. */
  readonly from: number;
  readonly to: number;
  /** Labels for which there is room. */
  readonly mostTicks: number;
}

/** Of the width of an axis of logarithms, on either side. */
const MARGIN = 0.03;
/** From here on a label has a letter: k, M, G. */
const LETTERS_FROM = 10_000;

/** Lays an axis that has room for all these values; what cannot be drawn is passed over. */
export function layAxis(values: Iterable<number>, axis: Axis, options: LayOptions): LaidAxis {
  return axis.scale === "log" ? layLogarithms(values, options) : layLinear(values, axis.fromZero ?? false, options);
}

function layLinear(values: Iterable<number>, fromZero: boolean, { from, to, mostTicks }: LayOptions): LaidAxis {
  const ends = endsOf(values, Number.isFinite);
  if (ends === null) return { place: () => NaN, ticks: [] };
  let [least, most] = fromZero ? [Math.min(0, ends[0]), Math.max(0, ends[1])] : ends;
  if (least === most) [least, most] = [least - (Math.abs(least) / 2 || 1), most + (Math.abs(most) / 2 || 1)];
  const scale = scaleLinear().domain([least, most]).range([from, to]).nice(mostTicks);
  return {
    place: (value) => Number.isFinite(value) ? scale(value) : NaN,
    ticks: evenTicks(scale.domain(), mostTicks).map(({ value, label }) => ({ at: scale(value), label })),
  };
}

function layLogarithms(values: Iterable<number>, { from, to, mostTicks }: LayOptions): LaidAxis {
  const isDrawable = (value: number) => Number.isFinite(value) && value > 0;
  const ends = endsOf(values, isDrawable);
  if (ends === null) return { place: () => NaN, ticks: [] };
  const [least, most] = ends, margin = least === most ? 2 : (most / least) ** MARGIN;
  const scale = scaleLog().domain([least / margin, most * margin]).range([from, to]);
  const ticks = decadeTicks(scale.ticks(mostTicks), mostTicks) ?? evenTicks(scale.domain(), mostTicks);
  return {
    place: (value) => isDrawable(value) ? scale(value) : NaN,
    ticks: ticks.map(({ value, label }) => ({ at: scale(value), label })),
  };
}

interface Tick {
  readonly value: number;
  readonly label: string;
}

/** At equal distances; d3 takes the number wanted as a hint, and gives up to half as many again. */
function evenTicks(domain: readonly number[], most: number): readonly Tick[] {
  for (let wanted = most;; wanted--) {
    const values = scaleLinear().domain(domain).ticks(wanted);
    if (values.length > most && wanted > 1) continue;
    const label = evenLabels(domain, wanted);
    return values.map((value) => ({ value, label: label(value) }));
  }
}

function evenLabels(domain: readonly number[], wanted: number): (value: number) => string {
  const [least, most] = [domain[0]!, domain.at(-1)!], largest = Math.max(Math.abs(least), Math.abs(most));
  if (largest >= 0.001 && largest < LETTERS_FROM) return tickFormat(least, most, wanted);
  const short = tickFormat(least, most, wanted, largest < 1 ? "~e" : "~s");
  return (value) => value === 0 ? "0" : short(value);
}

/**
 * What d3 offers (1 to 9 in every decade, or powers of ten), thinned out until there is room; null if fewer than two
 * are left: within a decade.
 */
function decadeTicks(offered: readonly number[], most: number): readonly Tick[] | null {
  const ofDigits = (digits: readonly number[]) => offered.filter((value) => digits.includes(digitOf(value) ?? 0));
  const choices = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]].map(ofDigits), powers = choices.at(-1)!;
  const everyOther = powers.filter((_, i) => i % Math.ceil(powers.length / most) === 0);
  const values = [...choices, everyOther].find((ticks) => ticks.length >= 2 && ticks.length <= most);
  if (values === undefined) return null;
  return values.map((value) => {
    const specifier = value >= LETTERS_FROM ? "~s" : value < 0.001 ? "~e" : ",~r";
    return { value, label: tickFormat(0, value, 1, specifier)(value) };
  });
}

/** The first digit of a number that has only one; else null. */
function digitOf(value: number): number | null {
  const mantissa = Number(value.toPrecision(12)) / 10 ** Math.floor(Math.log10(value) + 1e-9);
  const digit = Math.round(mantissa);
  return Math.abs(mantissa - digit) < 1e-9 ? digit : null;
}

function endsOf(values: Iterable<number>, isDrawable: (value: number) => boolean): [number, number] | null {
  let least = Infinity, most = -Infinity;
  for (const value of values) {
    if (!isDrawable(value)) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return least > most ? null : [least, most];
}
