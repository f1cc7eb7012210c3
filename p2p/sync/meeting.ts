/**
 * One peer's part in the meetings of its cell with others: whose state to ask for and to load, whether to write the
 * record now, and whether to believe one that another wrote.
 *
 * The first few in rank prepare a meeting one round ahead: they ask members of the other cell for its state and load its
 * weights, if enough of those they are connected to name the same. The first of them that has them writes, when a round
 * begins; whoever trains on meanwhile loses nothing. The other cell does the same by itself. A member takes a meeting only
 * if the state that it names is confirmed; one that nobody confirms until the round ends is overtaken by what the round
 * counts.
 * @module
 */
import { type Book, historyRounds } from "./book.ts";
import { areOpposite, depthOf, edgeOf, edgesOf, yielded } from "./cells.ts";
import { beatMs, type Context } from "./context.ts";
import { chainDigest, metBase } from "./digest.ts";
import type { Exchange } from "./exchange.ts";
import { trainedIn } from "./ledger.ts";
import type { State } from "./link.ts";
import type { Loading } from "./loading.ts";
import { buildMeeting, isDue, meetingRanking } from "./meet.ts";
import type { MergeToWrite } from "./merging.ts";
import { takeoverMs } from "./scribe.ts";
import type { ChainState, Digest, Met, StateAt, SyncRules } from "./types.ts";

/** Members that prepare a meeting, and peers of the other cell that each asks at once. */
const MOST_SEEKERS = 3, MOST_ASKED = 3;
/** Peers of the other cell that must name the same state, of those that are connected. */
const VOUCHERS = 2;
/** After so many turns over all edges any cell beyond an edge will do, if the one opposite did not. */
const OVERDUE_TURNS = 2;
/** States of other cells that are remembered, and weights of theirs that are kept. */
const MOST_FOUND = 8;
/** Share of a round in which a meeting may begin it: who offers on the head before is counted late. */
const OPENING_SHARE = 0.5;

/** A digit of the name; null stands for what this cell has in common with another. */
type Edge = number | null;

interface Found {
  readonly met: Met;
  readonly base: Digest;
  /** Our round when it was given. */
  readonly round: number;
}

export interface SceneOfMeeting {
  readonly book: Book;
  readonly head: State;
  readonly exchange: Exchange;
  readonly loading: Loading;
  /** A heavier history is on its way: do not write a rival until then. Null if there is none. */
  readonly hopeUntilMs: number | null;
}

export class Meeting {
  #openedAtMs = 0;
  #askAtMs = -Infinity;
  #turn = 0;
  /** States of other cells that were given, by state digest. */
  readonly #found = new Map<Digest, Found>();
  /** Weights of other cells that are here, with the round in which they came. */
  readonly #here = new Map<Digest, number>();
  /** Meetings that were folded and not adopted, because nobody confirmed them. */
  readonly #doubted = new Map<Digest, Met>();
  /** Whether a meeting waits for somebody's word. */
  isInDoubt = false;
  deadline = Infinity;

  get sizes(): Readonly<Record<string, number>> {
    return { found: this.#found.size, foreignWeights: this.#here.size };
  }

  /** A head was adopted: what no meeting needs any more is forgotten. */
  open({ now, emit, report, options: { rules } }: Context, { chain }: State, book: Book): void {
    this.#openedAtMs = now;
    for (const [record, { cell }] of this.#doubted) {
      const isTaken = chain.recent.some((recent) => recent.record === record);
      if (!isTaken) report({ kind: "waiting", reason: `for a word on what was met of cell ${cell}: it is not taken` });
    }
    this.#doubted.clear();
    const oldest = chain.round - rules.lateRounds;
    for (const [base, { round, met }] of this.#found) {
      const edge = edgeOf(chain.cell, met.cell);
      const isOver = edge === null ? yielded(chain, met.cell, rules) === null : chain.met[edge]! >= round;
      if (round < oldest || isOver) this.#found.delete(base);
    }
    // As long as contributions: others may need them to follow.
    const oldestKept = chain.round - historyRounds(rules);
    const old = [...this.#here].filter(([, round]) => round < oldestKept).map(([digest]) => digest);
    for (const digest of old) this.#here.delete(digest);
    const blobs = old.filter((digest) => !book.keeps(digest)).sort();
    if (blobs.length > 0) emit({ kind: "forget", blobs });
  }

  /** There is no head to meet on. */
  close(): void {
    this.deadline = Infinity;
  }

  has(weights: Digest): boolean {
    return this.#here.has(weights);
  }

  /** Weights of another cell have come. */
  onLoaded(weights: Digest, round: number): void {
    this.#here.set(weights, round);
  }

  /** They are not here after all. */
  lose(weights: Digest): void {
    this.#here.delete(weights);
  }

  /** Another cell's state, given when it was asked for. */
  onState({ chain, weights }: StateAt, { base, round }: { readonly base: Digest; readonly round: number }): void {
    const { cell, head: record, ledger } = chain;
    const met: Met = { cell, record, known: trainedIn(ledger), rest: chainDigest(chain), weights };
    this.#found.set(base, { met, base, round });
    if (this.#found.size > MOST_FOUND) this.#found.delete(this.#found.keys().next().value!);
  }

  /** Whether a meeting that was folded here is not to be adopted: nobody who could know confirms what it met. */
  doubts({ options: { self } }: Context, { link, base, chain }: State, { witnesses, abroad }: Exchange): boolean {
    const { met, scribe } = link.record.body;
    if (met === null || scribe === self) return false;
    const theirs = abroad.count(met.record, metBase(met), met);
    if (theirs.confirm > theirs.contradict) return false;
    const mates = witnesses.count(link.digest, base, { except: scribe, cell: chain.cell });
    const isDoubted = mates.confirm <= mates.contradict;
    this.isInDoubt ||= isDoubted;
    if (isDoubted) this.#doubted.set(link.digest, met);
    return isDoubted;
  }

  /** What to write now, or null; then `deadline` says when to ask again, unless something comes first. */
  decide(context: Context, scene: SceneOfMeeting): MergeToWrite | null {
    const { now, options: { rules, self } } = context, { head, exchange, hopeUntilMs } = scene, { chain } = head;
    this.deadline = Infinity;
    const ranked = meetingRanking(chain), rank = ranked.indexOf(self);
    if (rank === -1) return null;
    const before = ranked.slice(0, rank).filter((peer) => exchange.isPresent(peer, now, chain)).length;
    if (before >= MOST_SEEKERS) return null;
    const edges: Edge[] = [...this.#edges(chain, (edge) => isDue(chain, { edge, rules, ahead: 1 }))];
    if (this.#beyond(context, scene, null).length > 0) edges.unshift(null);
    if (edges.length === 0) return null;
    const ready = edges.flatMap((edge) => this.#choose(context, scene, edge) ?? []);
    if (ready.length < edges.length) this.#ask(context, scene, edges);

    const due = ready.find(({ edge }) => edge === null || isDue(chain, { edge, rules }));
    const fromMs = Math.max(this.#openedAtMs + before * takeoverMs(chain.roundMs), hopeUntilMs ?? -Infinity);
    const untilMs = this.#openedAtMs + OPENING_SHARE * chain.roundMs;
    if (due === undefined || now > untilMs) return null;
    if (now < fromMs) {
      if (fromMs <= untilMs) this.deadline = Math.min(this.deadline, fromMs);
      return null;
    }
    const { met } = due, record = buildMeeting(head, { rules, scribe: self, attempt: rank, met });
    return { record, reason: `cell ${chain.cell} meets cell ${met.cell}` };
  }

  /** Those edges of the cell, the one longest not met first. */
  #edges({ cell, met }: ChainState, isWanted: (edge: number) => boolean): readonly number[] {
    return edgesOf(cell).filter(isWanted).sort((a, b) => met[a]! - met[b]! || a - b);
  }

  /** A state across this edge that enough name, if its weights are here; they are loaded if they are not. */
  #choose(context: Context, { head: { chain }, exchange, loading }: SceneOfMeeting, edge: Edge) {
    const { rules } = context.options;
    const found = [...this.#found.values()].filter(({ met }) => liesBeyond(chain, met.cell, { edge, rules })).reverse();
    for (const { met, base } of oppositeFirst(found, ({ met }) => areOpposite(chain.cell, met.cell))) {
      const there = exchange.abroad.words(exchange.others).filter(({ cell }) => cell === met.cell);
      const { confirm, contradict } = exchange.abroad.count(met.record, base, met);
      if (confirm < Math.min(VOUCHERS, there.length) || confirm <= contradict) continue;
      if (this.has(met.weights.digest)) return { edge, met };
      loading.want(context, met.record, { weights: met.weights, sets: 1, from: there.map(({ peer }) => peer) });
      return null;
    }
    return null;
  }

  /** Those who stand beyond an edge. */
  #beyond({ options: { rules } }: Context, { head: { chain }, exchange }: SceneOfMeeting, edge: Edge) {
    const words = exchange.abroad.words(exchange.others);
    return words.filter(({ cell }) => liesBeyond(chain, cell, { edge, rules }));
  }

  /** Asks some of those who stand beyond one of these edges, another one each time. */
  #ask(context: Context, scene: SceneOfMeeting, edges: readonly Edge[]): void {
    const { head: { chain }, exchange } = scene;
    if (context.now >= this.#askAtMs) {
      this.#askAtMs = context.now + beatMs(chain.roundMs);
      const turn = this.#turn++, edge = edges[turn % edges.length]!, beyond = this.#beyond(context, scene, edge);
      const opposite = beyond.filter(({ cell }) => areOpposite(chain.cell, cell));
      const overdue = OVERDUE_TURNS * context.options.rules.cellRounds * depthOf(chain.cell);
      const isOverdue = edge !== null && chain.round - chain.met[edge]! >= overdue;
      const there = opposite.length > 0 && !isOverdue ? opposite : beyond;
      const asked = there.slice(0, MOST_ASKED).map((_, i) => there[(turn * MOST_ASKED + i) % there.length]!.peer);
      exchange.askState(context, asked);
    }
    this.deadline = Math.min(this.deadline, this.#askAtMs);
  }
}

/** Whether a cell is one to meet across this edge; or one to yield to, if that is null. */
function liesBeyond(
  chain: ChainState,
  cell: string,
  { edge, rules }: { readonly edge: Edge; readonly rules: SyncRules },
): boolean {
  if (edge !== null) return edgeOf(chain.cell, cell) === edge;
  return yielded(chain, cell, rules) !== null;
}

/** These, those first that are opposite; else in their order. */
function oppositeFirst<T>(all: readonly T[], isOpposite: (one: T) => boolean): readonly T[] {
  return [...all.filter(isOpposite), ...all.filter((one) => !isOpposite(one))];
}
