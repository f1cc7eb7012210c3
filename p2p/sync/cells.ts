/**
 * Cells: a lineage with more members than everybody could fetch from goes on as several, each with its part of the
 * members and of the data. Facts of names and of one state only, so every peer computes alike.
 *
 * A cell's name is a string of binary digits, "" being the whole run, and `*` stands for either digit. A peer is in the
 * cells whose names fit the digits of its own hash, a window in those that fit the last digits of its block's number
 * (`classes.ts`). So forks and newcomers need no table of who is where, and nothing is written down for a split: whoever
 * stands on a state with too many members sees the part of it that is its own (`viewOf`), and the record after it names
 * its cell. Parts may follow rival states: no account depends on which. If nobody is left beyond a digit of its name, a
 * cell goes on without that digit (`withoutDead`): whom and what it takes over follows from its name alone.
 * @module
 */
import { digestOf } from "./digest.ts";
import { returnOutside } from "./ledger.ts";
import type { ChainState, Digest, PeerId, SyncRules } from "./types.ts";

/** Digits of a peer. */
const DIGITS = 32;
/** Digits of a cell's name: more than any run has splits. */
export const MOST_CELL_DIGITS = 30;
/** Peers whose digits are remembered. */
const MOST_REMEMBERED = 4096;
/** A cell takes over what is beyond an edge that it missed so many turns over all edges: it is dead or cut off. */
const ALONE_TURNS = 4;
/** In a name: either digit. */
const ANY = "*";

/** By run, then by peer. */
const remembered = new Map<Digest, Map<PeerId, string>>();

/** The binary digits that say in which cells a peer is. */
export function digitsOf({ run }: Pick<SyncRules, "run">, peer: PeerId): string {
  let ofRun = remembered.get(run);
  if (ofRun === undefined) {
    remembered.clear(); // one run at a time
    remembered.set(run, ofRun = new Map());
  }
  let digits = ofRun.get(peer);
  if (digits === undefined) {
    const hash = digestOf({ run, peer }).slice(0, DIGITS / 4);
    digits = Number.parseInt(hash, 16).toString(2).padStart(DIGITS, "0");
    if (ofRun.size >= MOST_REMEMBERED) ofRun.clear();
    ofRun.set(peer, digits);
  }
  return digits;
}

export function isIn(cell: string, peer: PeerId, rules: Pick<SyncRules, "run">): boolean {
  return cell === "" || fits(cell, digitsOf(rules, peer));
}

/** These peers, those first who are in the most cells with `self`. */
export function nearestFirst(
  peers: readonly PeerId[],
  self: PeerId,
  rules: Pick<SyncRules, "run">,
): readonly PeerId[] {
  const own = digitsOf(rules, self);
  const shared = (peer: PeerId) => {
    const digits = digitsOf(rules, peer), parted = [...own].findIndex((digit, i) => digit !== digits[i]);
    return parted === -1 ? DIGITS : parted;
  };
  return peers.map((peer) => ({ peer, shared: shared(peer) })).sort((a, b) => b.shared - a.shared)
    .map(({ peer }) => peer);
}

/** Whether digits are those of a part of this cell. */
export function fits(cell: string, digits: string): boolean {
  for (let i = 0; i < cell.length; i++) if (cell[i] !== ANY && cell[i] !== digits[i]) return false;
  return true;
}

/** How many digits say who is in a cell: it is 2 to the minus so many of the run. */
export function depthOf(cell: string): number {
  return edgesOf(cell).length;
}

/** The edges of a cell: the places of its digits. Beyond each lies what has another digit there. */
export function edgesOf(cell: string): readonly number[] {
  return [...cell].flatMap((digit, i) => digit === ANY ? [] : [i]);
}

/** The digits of these cells' names that are known: all are of one peer. */
export function digitsIn(cells: readonly string[]): string {
  const length = Math.max(0, ...cells.map((cell) => cell.length));
  const known = (i: number) => cells.map((cell) => cell[i] ?? ANY).find((digit) => digit !== ANY);
  return Array.from({ length }, (_, i) => known(i) ?? ANY).join("");
}

/** Whether these are one cell, or have a part in common. */
export function areRelated(a: string, b: string): boolean {
  return edgeOf(a, b) === null;
}

/** The edge beyond which another cell lies: the first digit in which their names differ. Null if they are related. */
export function edgeOf(cell: string, other: string): number | null {
  const [edge] = differing(cell, other);
  return edge ?? null;
}

/** Whether names differ in one digit: of the cells beyond an edge, the one opposite has met others than the rest have. */
export function areOpposite(cell: string, other: string): boolean {
  return differing(cell, other).length === 1;
}

function differing(cell: string, other: string): readonly number[] {
  return edgesOf(cell).filter((i) => (other[i] ?? ANY) !== ANY && other[i] !== cell[i]);
}

/** The least cell that both are parts of. */
export function hullOf(a: string, b: string): string {
  return trimmed([...a].map((digit, i) => digit === b[i] ? digit : ANY).join(""));
}

/** All names without `*` that are parts of this cell, as long as its name: what is announced to it is announced to them. */
export function partsOf(cell: string): readonly string[] {
  return [...cell].reduce<readonly string[]>(
    (names, digit) => names.flatMap((name) => (digit === ANY ? ["0", "1"] : [digit]).map((next) => name + next)),
    [""],
  );
}

/** The digits of a cell's name in the first 32 bits of a whole number. */
export function maskOf(cell: string): number {
  return edgesOf(cell).reduce((mask, edge) => mask + 2 ** (DIGITS - 1 - edge), 0);
}

/** The global batch of a cell, in sequences: its share of the run's. */
export function batchOf(cell: string, request: number): number {
  return Math.max(1, Math.round(request / 2 ** depthOf(cell)));
}

/**
 * A state as a peer with these digits sees it: whole, or its own part if there are too many members. They part at the
 * first digit that is free and not the same for all: a part of which nobody is a member would leave its data to nobody.
 */
export function viewOf(chain: ChainState, digits: string, rules: SyncRules): ChainState {
  let { cell } = chain, members = chain.roster;
  if (!fits(cell, digits)) return chain;
  while (members.length > rules.cellSize) {
    const names = members.map(({ peer }) => digitsOf(rules, peer)), at = partingOf(names, cell);
    if (at === null) break;
    cell = cell.slice(0, at).padEnd(at, ANY) + digits[at] + cell.slice(at + 1);
    members = members.filter((_, i) => names[i]![at] === digits[at]);
  }
  return partOf(chain, cell, rules);
}

function partingOf(names: readonly string[], cell: string): number | null {
  for (let at = 0; at < MOST_CELL_DIGITS; at++) {
    if ((cell[at] ?? ANY) === ANY && names.some((name) => name[at] !== names[0]![at])) return at;
  }
  return null;
}

const parts = new WeakMap<ChainState, Map<string, ChainState>>();

/** The part of a state that is this cell's; computed once for each. */
export function partOf(chain: ChainState, cell: string, rules: SyncRules): ChainState {
  if (cell === chain.cell) return chain;
  const known = parts.get(chain) ?? new Map<string, ChainState>();
  parts.set(chain, known);
  let part = known.get(cell);
  if (part === undefined) {
    const roster = chain.roster.filter(({ peer }) => isIn(cell, peer, rules));
    part = {
      ...chain,
      cell,
      met: [...cell].map((digit, i) => digit === chain.cell[i] ? chain.met[i]! : chain.round),
      roster,
      ledger: returnOutside(chain.ledger, { cell, isMate: (peer) => isIn(cell, peer, rules) }),
      evaluator: roster[chain.round % Math.max(1, roster.length)]?.peer ?? null,
    };
    known.set(cell, part);
  }
  return part;
}

/**
 * A state whose cell has met nobody beyond an edge for long enough goes on without that digit, the last such one first.
 *
 * No two living cells come to own the same window so, if they can reach each other. Say that they differ in the digits S;
 * each met the other beyond the first digit of S, as long as there was nobody else to meet. If one drops a digit, or each
 * drops one at the same time, they overlap only if no digit of S is left: then one of them dropped the first.
 */
export function withoutDead(chain: ChainState, rules: SyncRules): ChainState {
  const { cell, met, round, roster } = chain, edges = edgesOf(cell);
  if (roster.length > rules.cellSize) return chain; // it goes on as its parts
  const dead = edges.findLast((edge) => round - met[edge]! >= ALONE_TURNS * rules.cellRounds * edges.length);
  if (dead === undefined) return chain;
  const wider = trimmed(cell.slice(0, dead) + ANY + cell.slice(dead + 1));
  return { ...chain, cell: wider, met: met.slice(0, wider.length) };
}

/**
 * The name of a cell without what it has in common with another that lives, which has come back after this one took over
 * for it; null if neither has to yield so. The one yields that has dropped the earlier digit, and only what none of its
 * members is in: whoever is in both cells makes one history of them.
 */
export function yielded(
  { cell, roster }: Pick<ChainState, "cell" | "roster">,
  other: string,
  rules: Pick<SyncRules, "run">,
): string | null {
  if (!areRelated(cell, other) || fits(cell, other) || fits(other, cell)) return null;
  const digitAt = (name: string, i: number) => name[i] ?? ANY;
  const open = Array.from({ length: Math.max(cell.length, other.length) }, (_, i) => i)
    .filter((i) => (digitAt(cell, i) === ANY) !== (digitAt(other, i) === ANY));
  if (digitAt(cell, open[0]!) !== ANY) return null;
  const at = open.find((i) =>
    digitAt(cell, i) === ANY && roster.every(({ peer }) => digitsOf(rules, peer)[i] !== other[i])
  );
  if (at === undefined) return null;
  return cell.slice(0, at).padEnd(at, ANY) + (other[at] === "0" ? "1" : "0") + cell.slice(at + 1);
}

/** A name ends with a digit. */
function trimmed(cell: string): string {
  return cell.replace(/\*+$/, "");
}
