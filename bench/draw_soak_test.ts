import { strict as assert } from "node:assert";
import { drawSoak } from "./draw_soak.ts";
import type { RecordedLine } from "./line.ts";

const sample = (name: string, minute: number, rssMiB: number): RecordedLine => ({
  ...{ bench: "soak", os: "linux", cores: 2, deno: "2.9.6", loadBefore: 0 },
  ...{ name, minute, rssMiB, handles: 20, diskMiB: 5 },
});

Deno.test("drawSoak() draws a line a peer from zero to the most, and names the time", () => {
  const drawn = drawSoak([
    sample("wren", 0, 100),
    sample("finch", 0, 50),
    sample("wren", 180, 200),
    sample("finch", 180, 100),
  ]);
  assert.equal(drawn.match(/<polyline/g)!.length, 6);
  assert.ok(drawn.includes('points="60.0,95.0 610.0,30.0"'), drawn);
  assert.match(drawn, /resident memory, MiB/);
  assert.match(drawn, />3 hours</);
});
