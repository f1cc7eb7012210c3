/**
 * How a peer goes on none of whose saved states can be read (law 4): it folds its history anew from the run's first
 * weights, which need no disk, as far as records and contributions are here.
 *
 * It never begins the run anew that way: what it makes must be as near to what it had as the states that were tried. Else it
 * waits for a peer that has the run, as if it were new, and ends where nobody else was a member. Until then it has no
 * head: it trains nothing, and hands nothing out.
 * @module
 */
import type { Book } from "./book.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import type { Context } from "./context.ts";
import type { Exchange } from "./exchange.ts";
import type { Fetching } from "./fetching.ts";
import type { Folding } from "./folding.ts";
import type { Joining } from "./joining.ts";
import { lineageCount } from "./lineages.ts";
import { chainOf, type State } from "./link.ts";
import { longestMs } from "./scribe.ts";
import type { BlobName, Digest } from "./types.ts";

/** Saved states tried, heaviest first, should blobs be damaged: so many rounds at most are given up. */
export const MOST_STATES = 8;

/** What a journal says that there was, whether it can be read or not. */
export interface Saved {
  readonly states: number;
  /** The last round whose state this peer had. */
  readonly round: number;
  /** Names of those whose offers were heard last, without this peer. */
  readonly others: readonly string[];
}

export interface SceneOfRecovery {
  readonly book: Book;
  readonly head: State | null;
  readonly joining: Joining;
  readonly folding: Folding;
  readonly fetching: Fetching;
}

type Stage =
  | { readonly kind: "closed" }
  /** The states of our own disk are tried, one after the other. */
  | { readonly kind: "trying" }
  | { readonly kind: "loading" }
  | { readonly kind: "folding"; readonly ground: State }
  /** Since when it is known that nothing here leads to a state. */
  | { readonly kind: "lost"; readonly sinceMs: number };

export class Recovery {
  #stage: Stage = { kind: "closed" };
  #saved: Saved = { states: 0, round: 0, others: [] };
  #initial: BlobName | null = null;
  /** How many of the saved states could not be loaded. */
  #damaged = 0;
  deadline = Infinity;

  /** There was a history here; it is known how its states are to be loaded. */
  open(saved: Saved, initial: BlobName): void {
    [this.#saved, this.#initial, this.#stage] = [saved, initial, { kind: "trying" }];
  }

  /** The state from which the history is folded anew, while it is. */
  get ground(): State | null {
    return this.#stage.kind === "folding" ? this.#stage.ground : null;
  }

  /** A saved state could not be loaded. */
  onDamaged(): void {
    this.#damaged++;
  }

  /** An older saved state can be read: the records after it, which are past to the newest one, are to be folded again. */
  onOlder({ now }: Context, book: Book, { chain: { round } }: State): void {
    if (this.#damaged === 0) return;
    for (const link of book.links.values()) if (link.round > round && link.stage.kind === "past") book.lose(link, now);
  }

  /** Returns whether these are the weights that it waited for: the first of the run. */
  onLoaded({ emit, now, options: { rules } }: Context, book: Book, weights: Digest): boolean {
    const initial = this.#initial;
    if (this.#stage.kind !== "loading" || initial?.digest !== weights) return false;
    // What the journal says was folded is not here: all of it may be needed on the way.
    for (const link of book.links.values()) if (chainOf(link) !== null) book.lose(link, now);
    emit({ kind: "keep", weights: initial });
    const ground = book.addState(genesisRecord(rules), { chain: genesisState(rules), weights: initial });
    ground.link.journaled = true;
    this.#stage = { kind: "folding", ground };
    return true;
  }

  /** The state to go on from, once nothing better can be made of what is here; null until then. */
  run(context: Context, scene: SceneOfRecovery): State | null {
    this.deadline = Infinity;
    const { head, joining } = scene, { emit, report, options: { rules } } = context, { states } = this.#saved;
    switch (this.#stage.kind) {
      case "closed":
        return null;
      case "trying":
        if (head !== null) return this.#close(context, head);
        if (joining.hasOwn) return null;
        report({ kind: "waiting", reason: `none of ${states} saved states can be read: folding the history anew` });
        this.#stage = { kind: "loading" };
        emit({ kind: "load", weights: this.#initial!, sets: lineageCount(rules), from: [] });
        return null;
      case "loading":
        return head === null ? null : this.#close(context, head);
      case "folding":
        return head === null ? this.#made(context, scene, this.#stage.ground) : this.#close(context, head);
      case "lost":
        if (head !== null) this.#stage = { kind: "closed" };
        else this.#wait(context, this.#stage.sinceMs);
        return null;
      default:
        return this.#stage satisfies never;
    }
  }

  /** Why this peer ends: nothing is left here, nobody else was a member, and nobody is found. */
  whyStop(context: Context, { connected }: Exchange): string | null {
    if (this.#stage.kind !== "lost" || this.#saved.others.length > 0 || connected.length > 0) return null;
    if (context.now < this.#patientUntilMs(context, this.#stage.sinceMs)) return null;
    return `${this.#loss()}, and no other peer was a member. ` +
      "Give the address of a peer that has the run with --peer, or begin anew in another folder with --state";
  }

  #made(context: Context, { book, folding, fetching }: SceneOfRecovery, ground: State): State | null {
    if (folding.hopeUntilMs !== null) {
      this.deadline = folding.hopeUntilMs;
      return null;
    }
    const best = book.heaviestFolded(ground, () => false), { others, round } = this.#saved;
    if (best.chain.round >= Math.max(1, round - MOST_STATES + 1)) return best;
    for (const part of [folding, fetching]) part.close();
    this.#stage = { kind: "lost", sinceMs: context.now };
    this.#wait(context, context.now);
    const who = others.length > 0 ? ` (members were ${others.join(", ")})` : "";
    context.report({ kind: "waiting", reason: `for a peer that has the run${who}: ${this.#loss()}` });
    return null;
  }

  #close({ report }: Context, { chain: { round } }: State): null {
    const { states } = this.#saved, from = `going on from round ${round}`;
    if (this.#damaged > 0) {
      report({ kind: "waiting", reason: `${from}: ${this.#damaged} of ${states} saved states could not be read` });
    }
    this.#stage = { kind: "closed" };
    return null;
  }

  #loss(): string {
    const { states, round } = this.#saved;
    return `none of ${states} saved states can be read, nor what would fold them anew: rounds 1 to ${round} are lost here`;
  }

  #wait(context: Context, sinceMs: number): void {
    const untilMs = this.#patientUntilMs(context, sinceMs);
    if (context.now < untilMs) this.deadline = untilMs;
  }

  /** As long as anything is waited for. */
  #patientUntilMs({ options: { rules } }: Context, sinceMs: number): number {
    return sinceMs + longestMs(rules.firstRoundMs);
  }
}
