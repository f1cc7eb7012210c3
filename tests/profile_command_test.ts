/**
 * `starling profile` as a user meets it: what it prints adds up, and what it cannot do is said before time is spent.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

const QUICK = ["--device", "cpu", "--threads", "1", "--batch", "2", "--steps", "2"];

Deno.test("profile prints every kernel of a step, figures that add up, and writes a trace of them", async () => {
  await using place = await makePlace();
  const trace = join(place.path, "trace.json");
  const { code, out, err } = await starling(["profile", place.path, ...QUICK, "--trace", trace]);
  assert.equal(code, 0, err);
  assert.match(
    out,
    /^gpt2 of \d+\.\d k parameters, 2 × 32 tokens a step in f32, on cpu \(WebAssembly SIMD, 1 thread(; products by .+)?\)$/m,
  );
  assert.match(out, /^peak there: \S+ GFLOP\/s of multiply-adds, \S+ GB\/s of a copy$/m);
  for (const kernel of ["matmul", "attention", "attention_backward_query", "layer_norm", "adamw"]) {
    assert.match(out, new RegExp(`^  ${kernel} .* %  (arithmetic|memory)$`, "m"));
  }
  assert.match(
    out,
    /^a step \S+ ms: in its \d+ dispatches \S+ \(begin step .*, forward .*, head .*, backward .*, update .*\), /m,
  );
  assert.match(out, /tokens\/s, .* MFU \d+ %; .*B of memory on the device$/m);
  assert.match(out, /^Dispatches by the clock, the median of 2 steps\.$/m);
  assert.ok(out.includes(`Trace: ${trace}; ui.perfetto.dev draws it.`));

  const { traceEvents } = JSON.parse(await Deno.readTextFile(trace));
  const dispatches = Number(/in its (\d+) dispatches/.exec(out)![1]);
  assert.equal(traceEvents.filter(({ cat }: { cat?: string }) => cat === "dispatches").length, 2 * dispatches);
});

Deno.test("profile --json gives a line for each kernel and shape, and last the totals that they sum to", async () => {
  await using place = await makePlace();
  const { code, out, err } = await starling(["profile", join(place.path, "run.json"), ...QUICK, "--json"]);
  assert.equal(code, 0, err);
  const lines = out.trim().split("\n").map((text) => JSON.parse(text)), last = lines.at(-1);
  const kernels = lines.filter(({ kind }) => kind === "kernel"), parts = lines.filter(({ kind }) => kind === "part");
  assert.deepEqual([last.kind, last.timing, last.batch, last.trace], ["profile", "clock", 2, null]);
  assert.equal(sum(kernels, "count"), last.dispatches);
  for (const group of [kernels, parts]) {
    assert.ok(Math.abs(sum(group, "ms") - last.dispatchMs) < 1e-6 && Math.abs(sum(group, "share") - 1) < 1e-9);
  }
  assert.ok(Math.abs(last.tokensPerSecond - 2 * 32 / last.stepMs * 1000) < 1e-6);
  assert.ok(last.mfu > 0 && last.mfu < 1 && Math.abs(last.mfu - last.modelGflops / last.peakGflops) < 1e-9);
  for (const { gflops, gbps, fractionOfPeak } of kernels) {
    assert.ok(fractionOfPeak >= Math.max(gflops / last.peakGflops, gbps / last.peakGbps) - 1e-9);
  }
});

const REFUSALS: readonly (readonly [title: string, args: readonly string[], code: number, says: RegExp])[] = [
  ["a profile of no run", ["{folder}/none"], 4, /it has no run.json/],
  ["a profile of no step", ["{folder}", "--steps", "0"], 2, /whole number from 1 to 1000/],
  [
    "a trace in a folder that is not there",
    ["{folder}", "--trace", "{folder}/no/a.json"],
    2,
    /no folder '.*\/no'. Make it/,
  ],
  ["a trace that is a folder", ["{folder}", "--trace", "{folder}"], 2, /it is a folder. Name a file in it/],
  [
    "f16 on a device without",
    ["{folder}", "--device", "cpu", "--precision", "f16"],
    6,
    /cannot store f16. Use --precision f32/,
  ],
];

for (const [title, args, wantedCode, says] of REFUSALS) {
  Deno.test(`profile refuses ${title}`, async () => {
    await using place = await makePlace();
    const { code, err } = await starling(["profile", ...args.map((text) => text.replaceAll("{folder}", place.path))]);
    assert.match(err, says);
    assert.equal(code, wantedCode, err);
    assert.doesNotMatch(err, /at file:|Stack/, "an expected error needs no stack");
  });
}

Deno.test({
  name: "profile says that the disk is full when there is no room for its trace",
  ignore: Deno.build.os !== "linux", // needs /dev/full
  async fn() {
    await using place = await makePlace();
    const { code, err } = await starling(["profile", place.path, ...QUICK, "--trace", "/dev/full"]);
    assert.match(err, /Cannot write the trace '\/dev\/full': the disk is full\. Free some space/);
    assert.equal(code, 3, err);
  },
});

function sum(lines: readonly Record<string, number>[], key: string): number {
  return lines.reduce((total, line) => total + line[key]!, 0);
}

/** A folder with a run of a few thousand parameters. */
async function makePlace(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "starling-profile-" });
  await Deno.writeTextFile(join(path, "run.json"), JSON.stringify({ ...tinyRun(), membership: "open" }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
