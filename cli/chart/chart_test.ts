import { strict as assert } from "node:assert";
import { type Chart, drawChart, type Panel, type Point } from "./chart.ts";

const at = (x: number, y: number): Point => ({ x, y });
const panel = (more: Partial<Panel>): Panel => ({
  ...{ title: "Loss", x: { label: "tokens" }, y: { label: "loss, nats" }, series: [] },
  ...more,
});
const draw = (...panels: readonly Panel[]): string => drawChart(chart(panels));
const chart = (panels: readonly Panel[]): Chart => ({ title: "Two runs", description: "Losses fall.", panels });

/** The texts that a picture shows, in order. */
function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
}

/** The paths of lines: those without a fill that follow no axis. */
function linesOf(svg: string): string[] {
  return [...svg.matchAll(/<path d="([^"]*)" fill="none" stroke="currentColor"/g)].map(([, path]) => path!);
}

Deno.test("drawChart() draws title, legend, labels, ticks and lines, in this order", () => {
  const svg = draw(panel({ series: [{ name: "wren", points: [at(0, 4), at(100, 2)] }] }));
  assert.deepEqual(textsOf(svg), [
    ...["Two runs", "wren", "Loss"],
    ...["2.0", "2.5", "3.0", "3.5", "4.0"],
    ...["0", "20", "40", "60", "80", "100", "tokens", "loss, nats"],
  ]);
  assert.deepEqual(linesOf(svg), ["M16,53L42,53", "M66,34L408,220"]);
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 430 343" width="430" height="343"/);
  assert.match(svg, /<title>Two runs<\/title>\n<desc>Losses fall.<\/desc>/);
});

Deno.test("drawChart() gives the same text for the same data", () => {
  const make = () => draw(panel({ series: [{ name: "wren", points: [at(0, 4), at(1 / 3, 2)] }] }));
  assert.equal(make(), make());
});

Deno.test("a value that is not finite is a gap in the line, and a point alone between gaps is a dot", () => {
  const points = [at(0, 0), at(1, 1), at(2, NaN), at(3, 1), at(4, Infinity), at(5, 0), at(6, 1)];
  const [, line] = linesOf(draw(panel({ series: [{ name: "wren", points }] })));
  assert.equal(line!.match(/M/g)!.length, 3, line!);
  assert.equal(line!.match(/Z/g)!.length, 1, line!);
  assert.doesNotMatch(line!, /NaN|Infinity/);
});

Deno.test("a panel without data says so, and keeps its labels", () => {
  for (const points of [[], [at(NaN, 1)], [at(1, NaN)]]) {
    const svg = draw(panel({ series: [{ name: "wren", points }] }));
    assert.ok(textsOf(svg).includes("no data"));
    assert.ok(textsOf(svg).includes("tokens"));
    assert.doesNotMatch(svg, /NaN/);
  }
  assert.ok(textsOf(draw(panel({}))).includes("no data"));
});

Deno.test("a chart without panels is its title", () => {
  assert.deepEqual(textsOf(draw()), ["Two runs"]);
});

Deno.test("on an axis of logarithms equal ratios are equally far apart, and what is not above zero is a gap", () => {
  const series = [{ name: "wren", points: [at(-1, 1), at(0, 1), at(1, 1), at(10, 1), at(100, 1)] }];
  const [, line] = linesOf(draw(panel({ x: { label: "batch", scale: "log" }, series })));
  const places = [...line!.matchAll(/([\d.]+),/g)].map(([, x]) => Number(x));
  assert.equal(places.length, 3);
  assert.doesNotMatch(line!, /Infinity|NaN/);
  assert.ok(Math.abs((places[2]! - places[1]!) - (places[1]! - places[0]!)) < 0.11, line!);
});

Deno.test("series of one name look alike in all panels, and others differ", () => {
  const one = panel({ series: [{ name: "wren", points: [at(0, 1)] }, { name: "finch", points: [at(0, 2)] }] });
  const other = panel({ series: [{ name: "finch", points: [at(0, 2)] }] });
  const classes = [...draw(one, other).matchAll(/<g class="(s\d)">\n<title>(\w+)</g)].map(([, ...found]) => found);
  assert.deepEqual(classes, [["s0", "wren"], ["s1", "finch"], ["s1", "finch"]]);
});

Deno.test("panels stand side by side, two in a row unless it is said", () => {
  const panels = [panel({}), panel({}), panel({})];
  const places = (svg: string) =>
    [...svg.matchAll(/<g transform="translate\((\d+ \d+)\)">/g)].map(([, place]) => place);
  assert.deepEqual(places(draw(...panels)), ["0 43", "430 43", "0 313"]);
  assert.deepEqual(places(drawChart({ ...chart(panels), columns: 1 })), ["0 43", "0 313", "0 583"]);
});

Deno.test("a legend that is too long for one line goes on in the next", () => {
  const series = Array.from({ length: 9 }, (_, i) => ({ name: `a run with a name ${i}`, points: [at(0, i)] }));
  const heights = [...draw(panel({ series })).matchAll(/<text x="\d+(?:\.\d)?" y="([\d.]+)">a run/g)]
    .map(([, y]) => Number(y));
  assert.equal(heights.length, 9);
  assert.ok(new Set(heights).size >= 4, heights.join());
});

Deno.test("a spread is a band around a line, and a stroke through a point", () => {
  const points = [{ x: 0, y: 2, low: 1, high: 3 }, { x: 1, y: 2, low: 1.5, high: 2.5 }];
  assert.match(draw(panel({ series: [{ name: "wren", points }] })), /fill-opacity="0.18"/);
  const svg = draw(panel({ series: [{ name: "wren", points, style: "points" }] }));
  assert.match(svg, /<path d="M66.0,220.0V34.0M408.0,173.5V80.5" stroke="currentColor"/);
  assert.equal(linesOf(svg).length, 0);
});

Deno.test("a guide is drawn where it is, also beyond the data", () => {
  const guides = [{ axis: "y", at: 1, label: "target 1" }, { axis: "x", at: 200, label: "B*" }] as const;
  const svg = draw(panel({ series: [{ name: "wren", points: [at(0, 4), at(100, 2)] }], guides }));
  assert.match(svg, /<path class="guide" d="M66,220.0H408"/);
  assert.match(svg, /<path class="guide" d="M408.0,34V220"/);
  assert.ok(textsOf(svg).includes("target 1"));
});

Deno.test("names with marks of XML or control characters stay words", () => {
  const svg = draw(panel({ series: [{ name: 'a<script>"&\u0007', points: [at(0, 1)] }] }));
  assert.ok(textsOf(svg).includes("a&lt;script&gt;&quot;&amp;\ufffd"));
});

Deno.test("a series of a hundred thousand points is thinned out, and keeps its extremes and its gaps", () => {
  const points = Array.from({ length: 100_000 }, (_, i) => at(i, i === 77_777 ? 100 : i === 50_000 ? NaN : i % 7));
  const svg = draw(panel({ series: [{ name: "wren", points }] }));
  assert.ok(svg.length < 60_000, `${svg.length} characters`);
  const [, line] = linesOf(svg);
  assert.match(line!, /,34[LM]/);
  assert.equal(line!.match(/M/g)!.length, 2);
});
