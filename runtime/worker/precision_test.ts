import { strict as assert } from "node:assert";
import type { Probe } from "../batching/throughput.ts";
import { openPlainDevice } from "../device/plain.ts";
import type { Precision } from "../train/training_graph.ts";
import { decidePrecision, type PrecisionChoice } from "./precision.ts";

interface Scene {
  readonly choice: PrecisionChoice;
  readonly storesF16?: boolean;
  readonly description?: string;
  /** Of the self-test. */
  readonly problem?: string;
  /** Tokens a second, or how it fails. */
  readonly speeds?: Readonly<Record<Precision, number | string>>;
  readonly known?: Precision;
  readonly mustMeasure?: boolean;
}

async function decide({ choice, speeds, known, mustMeasure = false, problem, ...about }: Scene) {
  const measured: Precision[] = [];
  const measure = (precision: Precision): Promise<Probe> => {
    measured.push(precision);
    const tokensPerSecond = speeds?.[precision] ?? 1;
    if (typeof tokensPerSecond === "string") return Promise.reject(new Error(tokensPerSecond));
    return Promise.resolve({ microBatch: 4, readings: [{ microBatch: 4, tokensPerSecond }] });
  };
  const device = { ...openPlainDevice(), ...about }, selfTest = () => Promise.resolve(problem ?? null);
  const { precision, reason } = await decidePrecision({
    device,
    choice,
    known: known ?? null,
    mustMeasure,
    measure,
    selfTest,
  });
  return { precision, reason, measured };
}

const scenes: readonly [string, Scene, Precision, RegExp, readonly Precision[]][] = [
  ["f32 where it was asked for", { choice: "f32" }, "f32", /asked for/, []],
  ["f32 where it was asked for, with its speed", { choice: "f32", mustMeasure: true }, "f32", /asked for/, ["f32"]],
  ["f16 where it was asked for and works", { choice: "f16", mustMeasure: true }, "f16", /passes its self-test/, [
    "f16",
  ]],
  ["f32 on a device without f16", { choice: "auto", storesF16: false }, "f32", /cannot store f16/, []],
  ["f32 on a software driver", { choice: "auto", description: "a software driver" }, "f32", /gains nothing/, []],
  ["f32 where the self-test fails", { choice: "auto", problem: "it reads 3 as 4" }, "f32", /it reads 3 as 4/, []],
  [
    "f32 on a device without f16 without measuring what the last session knows",
    { choice: "auto", known: "f32", mustMeasure: true, storesF16: false },
    "f32",
    /cannot store f16/,
    [],
  ],
  [
    "the faster where the last session had f32, for whatever reason",
    { choice: "auto", known: "f32", mustMeasure: true, speeds: { f32: 1000, f16: 1400 } },
    "f16",
    /f16 trains 1400/,
    ["f32", "f16"],
  ],
  ["f16 where the last session has", { choice: "auto", known: "f16", mustMeasure: true }, "f16", /last session/, []],
  [
    "f32 where the last session had f16 and the self-test fails now",
    { choice: "auto", known: "f16", mustMeasure: true, problem: "it reads 3 as 4" },
    "f32",
    /it reads 3 as 4/,
    ["f32"],
  ],
  ["f16 where it was asked for, measured anew", { choice: "f16", known: "f32", mustMeasure: true }, "f16", /asked/, [
    "f16",
  ]],
  [
    "f16 where it is faster",
    { choice: "auto", speeds: { f32: 1000, f16: 1400 } },
    "f16",
    /f16 trains 1400 tokens\/s, f32 trains 1000 tokens\/s/,
    ["f32", "f16"],
  ],
  [
    "f16 where only that has room",
    { choice: "auto", speeds: { f32: "no memory", f16: 10 } },
    "f16",
    /f32 does not work here \(no memory\)/,
    ["f32", "f16"],
  ],
  [
    "f32 where a shader of f16 does not compile",
    { choice: "auto", speeds: { f32: 10, f16: "no shader" } },
    "f32",
    /f16 does not work here \(no shader\)/,
    ["f32", "f16"],
  ],
  [
    "f32 where f16 is hardly faster",
    { choice: "auto", speeds: { f32: 1000, f16: 1040 } },
    "f32",
    /f16 trains 1040/,
    ["f32", "f16"],
  ],
];

for (const [what, scene, precision, reason, measured] of scenes) {
  Deno.test(`decidePrecision() takes ${what}`, async () => {
    const found = await decide(scene);
    assert.equal(found.precision, precision);
    assert.match(found.reason, reason);
    assert.deepEqual(found.measured, measured);
  });
}

Deno.test("decidePrecision() refuses f16 that was asked for where the self-test fails, and says what to do", async () => {
  await assert.rejects(
    decide({ choice: "f16", problem: "it cannot store f16", description: "cpu" }),
    { name: "PrecisionError", message: "Cannot train in f16 on cpu: it cannot store f16. Use --precision f32 or auto" },
  );
});

Deno.test("decidePrecision() fails with the reason of f32 where neither works", async () => {
  await assert.rejects(
    decide({ choice: "auto", speeds: { f32: "no memory", f16: "no shader" } }),
    /^Error: no memory$/,
  );
});
