import { strict as assert } from "node:assert";
import { fill } from "./fill.ts";
import { gelu } from "./gelu.ts";
import { textFor, textsOf, wgslOf } from "./kernel_text.ts";
import { normFinal } from "./norm_final.ts";
import { rmsNorm } from "./rms_norm.ts";

const narrow = { needs: undefined, width: 1 } as const;

Deno.test("wgslOf() puts before a kernel's text what its stored bindings are, and leaves other texts as they are", () => {
  const lines = (width: 1 | 4, f16: readonly string[]) =>
    wgslOf(gelu, { ...narrow, source: "", width }, { f16, enables: true }).trimEnd().split("\n");
  assert.deepEqual(lines(1, []), [
    "alias stored_x = f32;",
    "alias stored_y = f32;",
    "fn to_y(value: f32) -> stored_y { return value; }",
  ]);
  assert.deepEqual(lines(1, ["y"]), [
    "enable f16;",
    "alias stored_x = f32;",
    "alias stored_y = f16;",
    "fn to_y(value: f32) -> stored_y { return f16(select(value, value * 3.0e38, abs(value) >= 65520.0)); }",
  ]);
  assert.deepEqual(lines(4, ["x"]), [
    "enable f16;",
    "alias stored_x = vec4<f16>;",
    "alias stored_y = vec4f;",
    "fn to_y(value: vec4f) -> stored_y { return value; }",
  ]);
  const { source } = normFinal;
  assert.equal(wgslOf(normFinal, { ...narrow, source }, { f16: [], enables: true }), source);
});

Deno.test("a text that says `reals` is told what they are, for one value in a place and for four", () => {
  const told = (width: 1 | 4) => wgslOf(fill, { ...narrow, source: fill.source, width }, { f16: [], enables: true });
  assert.match(told(1), /^alias reals = f32;$/m);
  assert.match(told(4), /^alias reals = vec4f;$/m);
});

Deno.test("only a compiler that wants it is told that a text uses subgroups, before all else", () => {
  const text = { source: rmsNorm.source, needs: "subgroups", width: 1 } as const;
  const told = (enables: boolean) => wgslOf(rmsNorm, text, { f16: ["y"], enables }).split("\n").slice(0, 2);
  assert.deepEqual(told(true), ["enable f16;", "enable subgroups;"]);
  assert.deepEqual(told(false), ["enable f16;", "alias stored_y = f16;"]);
});

Deno.test("textFor() takes the first text that fits the shape and that the device can run, with its grid", () => {
  const name = (COUNT: number) => textFor(gelu, { COUNT }, new Set()).name;
  assert.equal(name(1001), "gelu");
  assert.equal(name(1000), "gelu vec4");
  assert.deepEqual(textFor(gelu, { COUNT: 2049 }, new Set()).grid, [9, 1, 1]);
  assert.deepEqual(textFor(gelu, { COUNT: 2052 }, new Set()).grid, [3, 1, 1]);

  const shape = { N: 3, C: 8, EPSILON: 1e-5 };
  assert.equal(textFor(rmsNorm, shape, new Set()).name, "rms_norm vec4");
  assert.equal(textFor(rmsNorm, shape, new Set(["subgroups"])).name, "rms_norm vec4 by subgroups");
  assert.equal(textFor(rmsNorm, { ...shape, C: 7 }, new Set(["subgroups"])).name, "rms_norm by subgroups");
  assert.deepEqual(textsOf(rmsNorm, shape).map(({ name }) => name), [
    "rms_norm vec4 by subgroups",
    "rms_norm vec4",
    "rms_norm by subgroups",
    "rms_norm",
  ]);
});
