/**
 * What can be seen of a run from outside: everything that was written down, adopted and reported, by whom.
 * The checkers (`laws.ts`) read it; nothing in the run does.
 * @module
 */
import { bodyDigest, digestOf } from "../../p2p/sync/digest.ts";
import type { JournalEntry, SyncEvent } from "../../p2p/sync/effects.ts";
import type { ChainState, Digest, Offer, PeerId, RoundRecord } from "../../p2p/sync/types.ts";
import type { VirtualTime } from "./virtual_time.ts";
import type { Life } from "./sim_peer.ts";

export type Fate = Extract<SyncEvent, { kind: "fate" }>;

export class Observer {
  readonly records = new Map<Digest, RoundRecord>();
  readonly offers = new Map<Digest, Offer>();
  /** State digests that peers had after each record: there must be one each. */
  readonly bases = new Map<Digest, Map<Digest, PeerId>>();
  /** The last word on each offer, told to its owner. */
  readonly fates = new Map<Digest, Fate>();
  /** Adoptions of each peer, in order. */
  readonly adoptions = new Map<PeerId, { readonly atMs: number; readonly chain: ChainState }[]>();
  /** Broken laws that could be seen while it happened. */
  readonly faults: string[] = [];
  readonly lives: { readonly peer: PeerId; readonly life: Life }[] = [];
  readonly trace: string[] = [];
  readonly tally = {
    records: 0,
    offers: 0,
    crashes: 0,
    left: 0,
    reorganised: 0,
    deepest: 0,
    late: 0,
    lost: 0,
    merged: 0,
    mergedOffers: 0,
  };
  readonly #clock: VirtualTime;
  readonly #onDisk = new Map<PeerId, ChainState>();
  readonly #restarting = new Set<PeerId>();

  constructor(clock: VirtualTime) {
    this.#clock = clock;
  }

  onJournal(peer: PeerId, entry: JournalEntry): void {
    if (entry.kind === "offer") this.offers.set(bodyDigest(entry.offer.body), entry.offer.body);
    if (entry.kind === "record") this.records.set(bodyDigest(entry.record.body), entry.record.body);
    if (entry.kind === "state") {
      const known = this.#onDisk.get(peer);
      if (known === undefined || entry.chain.weight >= known.weight) this.#onDisk.set(peer, entry.chain);
    }
  }

  onAdopted(peer: PeerId, chain: ChainState): void {
    const onDisk = this.#onDisk.get(peer);
    if (this.#restarting.delete(peer) && onDisk !== undefined && chain.weight < onDisk.weight) {
      this.faults.push(`law 6: ${peer} had round ${onDisk.round} on its disk and went on from round ${chain.round}`);
    }
    const adopted = this.adoptions.get(peer) ?? [];
    adopted.push({ atMs: this.#clock.nowMs, chain });
    this.adoptions.set(peer, adopted);
  }

  onEvent(peer: PeerId, event: SyncEvent): void {
    switch (event.kind) {
      case "round": {
        const bases = this.bases.get(event.head) ?? new Map<Digest, PeerId>();
        this.bases.set(event.head, bases);
        if (!bases.has(event.base)) bases.set(event.base, peer);
        return;
      }
      case "closed":
        this.tally.records++;
        return this.#note(peer, `wrote record ${event.round}: ${event.reason}`);
      case "offered":
        this.tally.offers++;
        return;
      case "fate":
        if (event.fate === "counted late") this.tally.late++;
        if (event.fate === "lost") this.tally.lost++;
        if (event.fate === "merged") this.tally.mergedOffers++;
        this.fates.set(event.offer, event);
        if (event.fate !== "counted") this.#note(peer, `offer of round ${event.round} is ${event.fate}`);
        return;
      case "reorganised":
        this.tally.reorganised++;
        this.tally.deepest = Math.max(this.tally.deepest, event.depth ?? 0);
        return this.#note(peer, `gave up ${event.depth ?? "all"} of its records for a heavier history`);
      case "merged": {
        this.tally.merged++;
        const sides = event.sides.map(({ records, tokens }) => `${records} records with ${tokens} tokens`);
        return this.#note(peer, `took merge record ${event.round}: ${sides.join(" and ")}`);
      }
      case "mismatch":
        this.faults.push(`law 3: ${peer} has state ${event.mine} after ${event.record}, ${event.peer} ${event.theirs}`);
        return;
      case "rejected":
        this.faults.push(`nobody lies here, but ${peer} rejected ${event.what} of ${event.peer}: ${event.reason}`);
        return;
      default:
        return;
    }
  }

  onDown(peer: PeerId, reason: "left" | "crashed", life: Life): void {
    this.lives.push({ peer, life });
    this.#restarting.add(peer);
    if (reason === "crashed") this.tally.crashes++;
    else this.tally.left++;
    this.#note(peer, reason);
  }

  /** One digest for all that happened: equal seeds have equal ones. */
  digest(): Digest {
    return digestOf({ trace: this.trace, records: [...this.records.keys()] });
  }

  #note(peer: PeerId, text: string): void {
    this.trace.push(`${(this.#clock.nowMs / 1000).toFixed(1).padStart(8)} s  ${peer.padEnd(7)} ${text}`);
  }
}
