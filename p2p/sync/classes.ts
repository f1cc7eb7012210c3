/**
 * Which windows of the data order are a cell's, by name alone: windows come in blocks, and a block belongs to the cells
 * whose names the last binary digits of its number spell, the last digit first. So no two cells of which neither is part
 * of the other ever own the same window, and a cell owns the same ones as long as it has its name.
 * @module
 */
import { type Ranges, union } from "./ranges.ts";
import type { Range } from "./types.ts";

/** Windows of one block: leases are in few pieces, and cells differ by little. */
export const BLOCK_WINDOWS = 64;

/** The first `most` of these windows that are the cell's. */
export function ownedIn(ranges: Ranges, cell: string, most = Infinity): Ranges {
  const owned: Range[] = [];
  let left = most;
  for (const { start, end } of ranges) {
    for (let at = start; at < end && left > 0;) {
      const piece = nextOwned(at, Math.min(end - at, left), cell), until = Math.min(piece.end, end);
      if (piece.start >= end) break;
      owned.push({ start: piece.start, end: until });
      left -= until - piece.start;
      at = until;
    }
    if (left <= 0) break;
  }
  return union(owned);
}

/** The first `count` windows of the cell's from window `from` on. */
export function freshOf(cell: string, { from, count }: { readonly from: number; readonly count: number }): Ranges {
  return ownedIn([{ start: from, end: Number.MAX_SAFE_INTEGER }], cell, count);
}

/** The next of the cell's windows from `at` on that lie side by side, `most` at most. */
function nextOwned(at: number, most: number, cell: string): Range {
  if (cell === "") return { start: at, end: at + most };
  const every = 2 ** cell.length, block = Math.floor(at / BLOCK_WINDOWS);
  const first = [...cell].reduce((sum, digit, i) => sum + Number(digit) * 2 ** i, 0);
  const ahead = ((first - block) % every + every) % every, start = Math.max(at, (block + ahead) * BLOCK_WINDOWS);
  return { start, end: Math.min(start + most, (block + ahead + 1) * BLOCK_WINDOWS) };
}
