/**
 * Which windows of the data order are a cell's, by name alone: windows come in blocks, and a block belongs to the cells
 * whose names fit the last binary digits of its number, the last digit first. So no two cells that have no part in common
 * ever own the same window, and a cell owns the same ones as long as it has its name.
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
  const block = nextBlock(Math.floor(at / BLOCK_WINDOWS), cell), start = Math.max(at, block * BLOCK_WINDOWS);
  return { start, end: Math.min(start + most, (block + 1) * BLOCK_WINDOWS) };
}

/** The first of the cell's blocks from this one on. */
function nextBlock(from: number, cell: string): number {
  let block = from;
  for (let i = cell.length - 1, place = 2 ** i; i >= 0; i--, place /= 2) {
    const digit = Math.floor(block / place) % 2;
    if (cell[i] === "*" || cell[i] === String(digit)) continue;
    // A 0 becomes 1, and all below it 0; a 1 becomes 0 by carrying, after which those above must fit anew.
    block = (Math.floor(block / place) + 1) * place;
    if (digit === 1) return nextBlock(block, cell);
  }
  return block;
}
