import { strict as assert } from "node:assert";
import { BaselineError, lineText, missingFrom, readBaseline } from "./baseline.ts";
import type { RecordedLine } from "./line.ts";

const host = { os: "linux", cores: 2, deno: "2.9.6", loadBefore: 0.5, bench: "matmul" };
const earlier: readonly RecordedLine[] = [
  { ...host, name: "64×64×64", device: "cpu", threads: 1, gflops: 20, fractionOfPeak: 0.5 },
  { ...host, name: "64×64×64", device: "cpu", threads: 2, gflops: 40, fractionOfPeak: 0 },
  { ...host, name: "64×64×64", device: "cpu", threads: 2, gflops: 30, fractionOfPeak: 0 },
  { ...host, name: "64×64×64", device: "cpu", threads: 2, gflops: 10, fractionOfPeak: 0 },
];
const inLines = (lines: readonly RecordedLine[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

async function inFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ prefix: "starling-baseline-" });
  try {
    await Deno.writeTextFile(path, text);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a line is set beside the median of a baseline's lines that measured the same thing", async () => {
  const baseline = await inFile(inLines(earlier), readBaseline);
  const text = (line: Parameters<typeof lineText>[1]) =>
    lineText("matmul", line, baseline).trim().replaceAll(/ {2,}/g, " ");
  const product = { name: "64×64×64", device: "cpu", threads: 1 };
  assert.equal(
    text({ ...product, gflops: 25, fractionOfPeak: 0.5 }),
    "64×64×64 device cpu threads 1 gflops 25 (×1.25) fractionOfPeak 0.5",
  );
  assert.match(
    text({ ...product, threads: 2, gflops: 60, fractionOfPeak: 0.4 }),
    /gflops 60 \(×2\.00\) fractionOfPeak 0\.4$/,
  );
  for (const other of [{ threads: 4 }, { device: "webgpu" }, { name: "65×64×64" }]) {
    assert.match(text({ ...product, ...other, gflops: 25 }), /gflops 25$/);
  }
  assert.match(text({ ...product, gflops: null }), /gflops null$/);
});

Deno.test("a line of a seed is set beside the lines of that seed, if there are any", async () => {
  const course = { ...host, bench: "f16", name: "a course" };
  const lines = [{ ...course, seed: 1, loss: 2 }, { ...course, seed: 2, loss: 4 }, { ...course, seed: 3, loss: 8 }];
  const baseline = await inFile(inLines(lines), readBaseline);
  assert.match(lineText("f16", { name: "a course", seed: 1, loss: 3 }, baseline), /loss 3 \(×1\.50\)/);
  assert.match(lineText("f16", { name: "a course", seed: 7, loss: 2 }, baseline), /loss 2 \(×0\.50\)/);
});

Deno.test("what a baseline has of the benchmarks that ran, and the run has not, is told", async () => {
  const baseline = await inFile(inLines([...earlier, { ...host, bench: "fold", name: "fold of 8" }]), readBaseline);
  const ran = [{ bench: "matmul", name: "64×64×64", device: "cpu", threads: 1, gflops: 1 }];
  assert.deepEqual(missingFrom(ran, baseline), ["matmul: 64×64×64, cpu, 2"]);
  assert.deepEqual(missingFrom([...ran, { ...ran[0]!, threads: 2 }], baseline), []);
});

Deno.test("a baseline that is not there, or is no lines of figures, is refused by name", async () => {
  await assert.rejects(readBaseline("/nowhere/lines.jsonl"), (error: Error) => {
    assert.ok(error instanceof BaselineError);
    assert.match(
      error.message,
      /^Cannot compare with '\/nowhere\/lines.jsonl': .*\. Give lines that 'deno task bench --json'/,
    );
    return true;
  });
  await assert.rejects(inFile('{"name": 1\n', readBaseline), BaselineError);
});
