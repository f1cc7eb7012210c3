import { strict as assert } from "node:assert";
import { drawSoak } from "./draw_soak.ts";
import type { RecordedLine } from "./line.ts";

const sample = (name: string, minute: number, rssMiB: number): RecordedLine => ({
  ...{ bench: "soak", os: "linux", cores: 2, deno: "2.9.6", loadBefore: 0 },
  ...{ name, minute, rssMiB, handles: 20, diskMiB: 5 },
});

Deno.test("drawSoak() draws a panel a figure and a line a peer, from zero, and names the time", () => {
  const drawn = drawSoak([
    sample("wren", 0, 100),
    sample("finch", 0, 50),
    sample("wren", 180, 200),
    sample("finch", 180, 100),
  ]);
  const panels = drawn.split('class="heading"').slice(1);
  assert.equal(panels.length, 3);
  assert.match(panels[0]!, />resident memory, MiB</);
  assert.match(panels[0]!, />hours</);
  const lines = [...panels[0]!.matchAll(/<title>(\w+)<\/title>\n<path d="([^"]+)"/g)].map(([, ...found]) => found);
  assert.deepEqual(lines, [["wren", "M66,127L408,34"], ["finch", "M66,173.5L408,127"]]);
});
