import { strict as assert } from "node:assert";
import { adamw } from "../../kernels/adamw.ts";
import { kernels } from "../../kernels/all.ts";
import { copy } from "../../kernels/copy.ts";
import { embedding } from "../../kernels/embedding.ts";
import type { Kernel, Shape } from "../../kernels/kernel.ts";
import { SHAPES } from "../../tests/kernels/shapes.ts";
import { wordsOf } from "./device.ts";
import { workOf } from "./work.ts";

function work(kernel: Kernel, shape: Shape, f16: readonly string[] = []) {
  const spans = Object.fromEntries(
    Object.entries(kernel.bindings).map(([name, { length }]) => {
      const words = wordsOf(length(shape), f16.includes(name) ? "f16" : "f32");
      return [name, { buffer: { label: name, words }, start: 0, words }];
    }),
  );
  return workOf({ kernel, shape, spans });
}

Deno.test("workOf() counts what is read and what is written, and what is added to twice", () => {
  assert.deepEqual(work(copy, { COUNT: 1000, ACCUMULATE: 0 }), { flops: 0, bytes: 8000 });
  assert.deepEqual(work(copy, { COUNT: 1000, ACCUMULATE: 1 }), { flops: 0, bytes: 12_000 });
});

Deno.test("workOf() counts values in f16 by what they take in memory", () => {
  assert.equal(work(copy, { COUNT: 1000, ACCUMULATE: 0 }, ["y"]).bytes, 6000);
});

Deno.test("workOf() goes by what a kernel says it moves: seven times its parameters for AdamW, the rows used of a table", () => {
  const [norm, step] = [4, 8];
  assert.deepEqual(work(adamw, { COUNT: 1000, DECAYED: 0 }), { flops: 15_000, bytes: 4 * (7 * 1000 + norm + step) });
  assert.equal(work(embedding, { N: 10, P: 1000, C: 8 }).bytes, 4 * (10 + 10 * 8 + 10 * 8));
  assert.equal(work(embedding, { N: 1000, P: 10, C: 8 }).bytes, 4 * (1000 + 10 * 8 + 1000 * 8));
});

Deno.test("what a kernel says it moves are bindings that it has, not negative, and twice at most", () => {
  for (const kernel of kernels) {
    for (const shape of SHAPES[kernel.name]!) {
      for (const [name, times] of Object.entries(kernel.moves?.(shape) ?? {})) {
        const title = `${kernel.name} ${JSON.stringify(shape)} '${name}' ${times}`;
        assert.ok(name in kernel.bindings && times >= 0 && times <= 2, title);
      }
    }
  }
});
