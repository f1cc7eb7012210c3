import { strict as assert } from "node:assert";
import { maskOf } from "../sync/cells.ts";
import { neighbours } from "./neighbours.ts";
import { chance } from "../../tests/chance.ts";

/** The first digits of a name, the rest of them 0. */
function digits(text: string): number {
  return Number.parseInt(text.padEnd(32, "0"), 2);
}

function choose(own: { readonly name: string; readonly cell: string }, known: readonly string[]) {
  return neighbours({ digits: digits(own.name), mask: maskOf(own.cell) }, known, digits);
}

Deno.test("a peer wants all of its own cell, and along each edge those whose names are nearest beyond it", () => {
  const { wanted, others } = choose({ name: "0110", cell: "01" }, [
    "1111",
    "0111",
    "1110",
    "0010",
    "1010",
    "1000",
    "0100",
  ]);
  assert.deepEqual(wanted, ["0111", "0100", "0010", "1110", "1111", "1010"]);
  assert.deepEqual(others, ["1000"]);
});

Deno.test("of a run that is not split yet a peer wants some of each part that may become a cell, then the nearest", () => {
  const draw = chance(1), known = Array.from({ length: 500 }, () => draw.whole(0, 2 ** 32 - 1));
  const { wanted, others } = neighbours({ digits: known[0]!, mask: 0 }, known.slice(1), (digits) => digits);
  assert.equal(wanted.length, 32);
  assert.equal(wanted.length + others.length, 499);
  const shared = wanted.map((digits) => Math.clz32(digits ^ known[0]!));
  for (const edge of [0, 1, 2, 3]) assert.ok(shared.filter((count) => count === edge).length >= 3, `edge ${edge}`);
});

Deno.test("1,000 peers that know 128 others each, and want their neighbours, hang together over few steps", () => {
  const draw = chance(2), all = Array.from({ length: 1000 }, () => draw.whole(0, 2 ** 32 - 1));
  const links = new Map(all.map((digits) => {
    const known = all.filter((other) => other !== digits && draw.happens(0.128));
    return [digits, neighbours({ digits, mask: 0 }, known, (other) => other).wanted] as const;
  }));
  const steps = new Map([[all[0]!, 0]]);
  for (const [digits, step] of steps) {
    for (const other of links.get(digits)!) if (!steps.has(other)) steps.set(other, step + 1);
  }
  assert.equal(steps.size, 1000);
  assert.ok(Math.max(...steps.values()) <= 5, `${Math.max(...steps.values())} steps`);
});
