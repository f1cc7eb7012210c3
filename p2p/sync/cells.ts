/**
 * Cells: a lineage with more members than everybody could fetch from goes on as several, each with its part of the
 * members and of the data. Facts of names and of one state only, so every peer computes alike.
 *
 * A cell's name is a string of binary digits, "" being the whole run. A peer is in the cells whose names begin the digits
 * of its own hash, a window in those that the last digits of its block's number spell (`classes.ts`). So forks and
 * newcomers need no table of who is where, and nothing is written down for a split: whoever stands on a state with too
 * many members sees the part of it that is its own (`viewOf`), and the record after it names its cell. Parts may follow
 * rival states: no account depends on which.
 * @module
 */
import { digestOf } from "./digest.ts";
import { returnOutside } from "./ledger.ts";
import type { ChainState, Digest, PeerId, SyncRules } from "./types.ts";

/** Digits of a peer: more than any run has splits. */
const DIGITS = 32;
/** Peers whose digits are remembered. */
const MOST_REMEMBERED = 4096;
/** A cell takes over its sibling's part when they have missed so many of their meetings: it is dead or cut off. */
const ALONE_TURNS = 4;

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
  return cell === "" || digitsOf(rules, peer).startsWith(cell);
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

/** Whether these are one cell, or one is part of the other. */
export function areRelated(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/** The edge of the cube of names across which another cell lies: the one digit that differs. Null if there is none. */
export function edgeOf(cell: string, other: string): number | null {
  const edge = [...cell].findIndex((digit, i) => i < other.length && digit !== other[i]);
  return edge !== -1 && areRelated(cell.slice(edge + 1), other.slice(edge + 1)) ? edge : null;
}

/** The global batch of a cell, in sequences: its share of the run's. */
export function batchOf(cell: string, { batch }: Pick<SyncRules, "batch">): number {
  return Math.max(1, Math.round(batch / 2 ** cell.length));
}

/**
 * A state as a peer with these digits sees it: whole, or its own part if there are too many members. A part of which
 * nobody is a member is not split off: its data would be nobody's.
 */
export function viewOf(chain: ChainState, digits: string, rules: SyncRules): ChainState {
  let { cell } = chain, members = chain.roster;
  if (!digits.startsWith(cell)) return chain;
  while (members.length > rules.cellSize && cell.length < digits.length) {
    const deeper = digits.slice(0, cell.length + 1), mates = members.filter(({ peer }) => isIn(deeper, peer, rules));
    if (mates.length === 0 || mates.length === members.length) break;
    members = mates;
    cell = deeper;
  }
  return partOf(chain, cell, rules);
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
      met: [...chain.met, ...Array(cell.length - chain.cell.length).fill(chain.round)],
      roster,
      ledger: returnOutside(chain.ledger, { cell, isMate: (peer) => isIn(cell, peer, rules) }),
      batch: batchOf(cell, rules),
      evaluator: roster[chain.round % Math.max(1, roster.length)]?.peer ?? null,
    };
    known.set(cell, part);
  }
  return part;
}

/** A state whose cell has not met its sibling for long enough goes on as the cell that both are parts of. */
export function withoutSibling(chain: ChainState, rules: SyncRules): ChainState {
  const { cell, met, round } = chain, lastMet = met.at(-1);
  if (lastMet === undefined || round - lastMet < ALONE_TURNS * rules.cellRounds * cell.length) return chain;
  const wider = cell.slice(0, -1);
  return { ...chain, cell: wider, met: met.slice(0, -1), batch: batchOf(wider, rules) };
}
