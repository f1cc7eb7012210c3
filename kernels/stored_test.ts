import { strict as assert } from "node:assert";
import { gelu } from "./gelu.ts";
import { fill } from "./fill.ts";
import { wgslOf } from "./stored.ts";

Deno.test("wgslOf() puts before a kernel's text what its stored bindings are, and leaves other texts as they are", () => {
  const lines = (f16: readonly string[]) => wgslOf(gelu, f16).slice(0, -gelu.source.length).trimEnd().split("\n");
  assert.deepEqual(lines([]), [
    "alias stored_x = f32;",
    "alias stored_y = f32;",
    "fn to_y(value: f32) -> stored_y { return value; }",
  ]);
  assert.deepEqual(lines(["y"]), [
    "enable f16;",
    "alias stored_x = f32;",
    "alias stored_y = f16;",
    "fn to_y(value: f32) -> stored_y { return f16(select(value, value * 3.0e38, abs(value) >= 65520.0)); }",
  ]);
  assert.equal(wgslOf(fill, []), fill.source);
});
