import { strict as assert } from "node:assert";
import { drawGrowth } from "./draw_growth.ts";
import type { RecordedLine } from "./line.ts";

const line = (name: string, size: number, more: object): RecordedLine => ({
  ...{ bench: "growth", os: "linux", cores: 2, deno: "2.9.6", loadBefore: 0 },
  ...{ name, device: "cpu", size, ...more },
});

Deno.test("drawGrowth() draws a panel for each thing that grows, with points and the law that fits them", () => {
  const drawn = drawGrowth([
    ...[1, 10, 100].map((size) => line("by batch", size, { msPerStep: 2 * size })),
    line("by context", 64, { reason: "no memory" }),
  ]);
  const panels = drawn.split('class="heading"').slice(1);
  assert.equal(panels.length, 3);
  assert.match(panels[2]!, /Step by batch/);
  assert.equal([...panels[2]!.matchAll(/<title>([^<]+)<\/title>/g)].map(([, title]) => title).join(), "cpu,cpu, fit");
  for (const empty of panels.slice(0, 2)) assert.match(empty, /no data/);
});
