import { strict as assert } from "node:assert";
import { parseLines, type RecordedLine } from "./line.ts";
import { newestOfEach, redraw } from "./redraw.ts";
import { targetLine } from "./target.ts";

const host = { os: "linux", cores: 2, deno: "2.9.6", loadBefore: 0.5 };
const line = (msPerStep: number, more = {}): RecordedLine => ({
  bench: "step",
  ...host,
  name: "tiny",
  msPerStep,
  ...more,
});
const page =
  "Before.\n<!-- table step -->\nold\n<!-- end -->\nBetween.\n<!-- table fold -->\nold\n<!-- end -->\nAfter.";
const fold: RecordedLine = { bench: "fold", ...host, name: "fold of 8", ms: 12 };

Deno.test("redraw() replaces what stands between the marks and nothing else", () => {
  assert.equal(
    redraw(page, [line(1.234), fold]).page,
    "Before.\n<!-- table step -->\n\n| name | ms per step |\n| --- | --: |\n| tiny | 1.23 |\n\n<!-- end -->\n" +
      "Between.\n<!-- table fold -->\n\n| name | ms |\n| --- | --: |\n| fold of 8 | 12 |\n\n<!-- end -->\nAfter.",
  );
});

Deno.test("redraw() shows the least and the most of several runs of one thing, and other things apart", () => {
  const { page: drawn } = redraw(page, [line(30), line(20.5), line(7, { device: "cpu" }), fold]);
  assert.match(drawn, /\| tiny \| {2}\| 20\.5 – 30 \|/);
  assert.match(drawn, /\| tiny \| cpu \| 7 \|/);
});

Deno.test("redraw() leaves a table as it is that the results have no line of, and names it", () => {
  const { page: drawn, undrawn } = redraw(page, [line(1)]);
  assert.deepEqual(undrawn, ["fold"]);
  assert.match(drawn, /Between\.\n<!-- table fold -->\nold\n<!-- end -->\nAfter\.$/);
});

Deno.test("redraw() leaves out a column in which no line has anything", () => {
  const { page: drawn } = redraw(page, [line(1, { reason: "", loss: null }), line(2, { reason: "", steps: 0 }), fold]);
  assert.match(drawn, /\| name \| ms per step \| steps \|/);
});

Deno.test("parseLines() reads nothing from what a benchmark that failed has left", () => {
  assert.deepEqual(parseLines("\n"), []);
  assert.deepEqual(parseLines(`${JSON.stringify(fold)}\n`), [fold]);
});

Deno.test("newestOfEach() takes a benchmark's lines from the last file that has it", () => {
  assert.deepEqual(newestOfEach([[line(1), fold], [line(2), line(3)]]), [fold, line(2), line(3)]);
});

Deno.test("redraw() draws the lines of one name where the mark gives it", () => {
  const marked = "<!-- table step: tiny -->\n<!-- end -->";
  assert.equal(
    redraw(marked, [line(5), line(9, { name: "large" })]).page,
    "<!-- table step: tiny -->\n\n| ms per step |\n| --: |\n| 5 |\n\n<!-- end -->",
  );
});

Deno.test("redraw() shows losses with four digits, and small figures whole", () => {
  const marked = "<!-- table codec-cost -->\n<!-- end -->";
  assert.match(
    redraw(marked, [{ ...line(1), bench: "codec-cost", loss: 1.89276, learningRate: 0.0004 }]).page,
    /\| tiny \| 1 \| 1\.893 \| 0\.0004 \|/,
  );
});

Deno.test("redraw() puts what is wanted of figures into the table of targets, of all benchmarks, and nowhere else", () => {
  const target: RecordedLine = {
    ...line(1),
    ...targetLine("a step", { device: "cpu", figure: 2, wanted: { atMost: 3 } }),
  };
  const { msPerStep: _, ...step } = target, lines = [line(5), step, { ...step, bench: "fold" }, fold];
  const { page: drawn } = redraw("<!-- table targets -->\n<!-- end -->\n<!-- table step -->\n<!-- end -->", lines);
  assert.equal(
    drawn,
    "<!-- table targets -->\n\n| name | device | figure | wanted | met |\n| --- | --- | --: | --- | --- |\n" +
      "| a step | cpu | 2 | ≤ 3 | true |\n| a step | cpu | 2 | ≤ 3 | true |\n\n<!-- end -->\n" +
      "<!-- table step -->\n\n| name | ms per step |\n| --- | --: |\n| tiny | 5 |\n\n<!-- end -->",
  );
});

Deno.test("a table shows neither drivers nor versions, which are kept in the lines", () => {
  const known = line(5, { driver: "llvmpipe", versions: "torch 2", processor: "a processor", starling: "0.1.0" });
  assert.match(redraw(page, [known, fold]).page, /\| name \| ms per step \|\n/);
});
