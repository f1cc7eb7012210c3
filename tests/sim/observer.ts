/**
 * What can be seen of a run from outside: everything that was written down, adopted and reported, by whom.
 * The checkers (`laws/`) read it; nothing in the run does. What liars report is not believed, and not kept.
 * @module
 */
import { isHeavier } from "../../p2p/sync/fork.ts";
import { bodyDigest, digestOf } from "../../p2p/sync/digest.ts";
import type { JournalEntry, SyncEvent } from "../../p2p/sync/effects.ts";
import type { ChainState, Digest, Message, Offer, PeerId, RoundRecord } from "../../p2p/sync/types.ts";
import { followsRefuted, hasLostRun, triedStates } from "./laws/loss.ts";
import type { Life, SimPeer } from "./sim_peer.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** With the life of the owner in which it was told. */
export type Fate = Extract<SyncEvent, { kind: "fate" }> & { readonly life: number };
export type Rejection = Extract<SyncEvent, { kind: "rejected" }>;

export interface Adoption {
  readonly atMs: number;
  readonly chain: ChainState;
  /** Of the peer, in which it was. */
  readonly life: number;
}

/** A core's sizes are looked at after so many inputs. */
const LOOK_EVERY = 20;

export class Observer {
  readonly records = new Map<Digest, RoundRecord>();
  readonly offers = new Map<Digest, Offer>();
  /** When the author of each offer wrote it down. */
  readonly offeredAtMs = new Map<Digest, number>();
  /** State digests that peers had after each record: there must be one each. */
  readonly bases = new Map<string, Map<Digest, PeerId>>();
  /** The weights after each record, as the first said that had them. */
  readonly weights = new Map<Digest, Digest>();
  /** The last word on each offer, told to its owner. */
  readonly fates = new Map<Digest, Fate>();
  /** Adoptions of each peer, in order. */
  readonly adoptions = new Map<PeerId, Adoption[]>();
  /** When an honest peer last adopted a head. */
  lastAdoptedAtMs = 0;
  /** When somebody first adopted each record, and who was in touch then, with since when. */
  readonly firstAdoptedAtMs = new Map<Digest, number>();
  readonly inTouchAt = new Map<Digest, ReadonlyMap<PeerId, number>>();
  /** Broken laws that could be seen while it happened. */
  readonly faults: string[] = [];
  readonly rejections: { readonly by: PeerId; readonly event: Rejection }[] = [];
  /** What was told to others than its owner of offers that nobody counted. */
  readonly passedOver = new Map<Digest, Extract<SyncEvent, { kind: "passed over" }>>();
  /** Merges, as each honest peer was told of them. */
  readonly merges: { readonly by: PeerId; readonly event: Extract<SyncEvent, { kind: "merged" }> }[] = [];
  readonly waits: { readonly by: PeerId; readonly reason: string }[] = [];
  readonly mismatches: { readonly by: PeerId; readonly event: Extract<SyncEvent, { kind: "mismatch" }> }[] = [];
  /** Lives that ended, of the peer whose inputs are kept. */
  readonly lives: Life[] = [];
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
    cells: 0,
    met: 0,
    doubted: 0,
  };
  /** Largest sizes of any honest core, by name, and most effects of one input. */
  readonly largest = new Map<string, number>();
  mostEffects = 0;
  /** Messages that each honest peer has sent or announced. */
  readonly saidCount = new Map<PeerId, number>();
  readonly #clock: VirtualTime;
  /** The heaviest state that a restarting peer could still load from its disk. */
  readonly #onDisk = new Map<PeerId, ChainState>();
  readonly #running = new Set<PeerId>();
  /** Since when each peer is up, running and within reach of the most. */
  readonly #inTouchSinceMs = new Map<PeerId, number>();
  /** The largest of the groups that can reach each other; null while nothing is cut. */
  #largest: ReadonlySet<PeerId> | null = null;
  #looks = 0;

  constructor(clock: VirtualTime) {
    this.#clock = clock;
  }

  /** How long the run has lasted. */
  get nowMs(): number {
    return this.#clock.nowMs;
  }

  onStart({ id, disk }: SimPeer): void {
    this.#running.add(id);
    this.#look();
    const tried = triedStates(disk).filter(({ chain }) => !followsRefuted(chain.head, disk.journal, this));
    const best = tried.find(({ weights }) => disk.isWhole(weights.digest));
    if (best !== undefined) this.#onDisk.set(id, best.chain);
  }

  onFrozen({ id }: SimPeer, isFrozen: boolean): void {
    if (isFrozen) this.#running.delete(id);
    else this.#running.add(id);
    this.#look();
  }

  /** The largest of the groups that can reach each other is another. */
  onReach(largest: ReadonlySet<PeerId> | null): void {
    this.#largest = largest;
    this.#look();
  }

  #look(): void {
    for (const id of this.#running) {
      if (this.#largest?.has(id) === false) this.#inTouchSinceMs.delete(id);
      else if (!this.#inTouchSinceMs.has(id)) this.#inTouchSinceMs.set(id, this.#clock.nowMs);
    }
    for (const id of this.#inTouchSinceMs.keys()) if (!this.#running.has(id)) this.#inTouchSinceMs.delete(id);
  }

  onHandled({ core }: SimPeer, effectCount: number): void {
    this.mostEffects = Math.max(this.mostEffects, effectCount);
    if (core === null || this.#looks++ % LOOK_EVERY !== 0) return;
    for (const [what, size] of Object.entries(core.sizes)) {
      if (size > (this.largest.get(what) ?? 0)) this.largest.set(what, size);
    }
  }

  onSaid({ id }: SimPeer, _: Message): void {
    this.saidCount.set(id, (this.saidCount.get(id) ?? 0) + 1);
  }

  onJournal(peer: SimPeer, entry: JournalEntry): void {
    if (entry.kind === "offer") {
      const { body } = entry.offer, digest = bodyDigest(body);
      this.offers.set(digest, body);
      if (body.peer === peer.id) this.offeredAtMs.set(digest, this.#clock.nowMs);
    }
    if (entry.kind === "record") this.records.set(bodyDigest(entry.record.body), entry.record.body);
  }

  onAdopted({ id, isHonest, lives }: SimPeer, chain: ChainState): void {
    if (!isHonest) return;
    const onDisk = this.#onDisk.get(id);
    if (onDisk !== undefined && isHeavier(onDisk, chain)) {
      this.faults.push(`law 6: ${id} had round ${onDisk.round} on its disk and went on from round ${chain.round}`);
    }
    this.#onDisk.delete(id);
    if (!this.firstAdoptedAtMs.has(chain.head)) {
      this.firstAdoptedAtMs.set(chain.head, this.#clock.nowMs);
      this.inTouchAt.set(chain.head, new Map(this.#inTouchSinceMs));
    }
    this.lastAdoptedAtMs = this.#clock.nowMs;
    const adopted = this.adoptions.get(id) ?? [];
    adopted.push({ atMs: this.#clock.nowMs, chain, life: lives });
    this.adoptions.set(id, adopted);
  }

  onEvent({ id, isHonest, lives }: SimPeer, event: SyncEvent): void {
    if (!isHonest) return;
    switch (event.kind) {
      case "round": {
        // Of a state with too many members each sees its own part.
        const part = `${event.head} ${this.adoptions.get(id)!.at(-1)!.chain.cell}`;
        const bases = this.bases.get(part) ?? new Map<Digest, PeerId>();
        this.bases.set(part, bases);
        if (!bases.has(event.base)) bases.set(event.base, id);
        if (!this.weights.has(event.head)) this.weights.set(event.head, event.weights);
        return;
      }
      case "closed":
        this.tally.records++;
        return this.note(id, `wrote record ${event.round}: ${event.reason}`);
      case "offered":
        this.tally.offers++;
        return;
      case "fate":
        if (event.fate === "counted late") this.tally.late++;
        if (event.fate === "lost") this.tally.lost++;
        if (event.fate === "merged") this.tally.mergedOffers++;
        this.fates.set(event.offer, { ...event, life: lives });
        if (event.fate !== "counted") this.note(id, `offer of round ${event.round} is ${event.fate}`);
        return;
      case "reorganised":
        this.tally.reorganised++;
        this.tally.deepest = Math.max(this.tally.deepest, event.depth ?? 0);
        return this.note(id, `gave up ${event.depth ?? "all"} of its records for a heavier history`);
      case "merged": {
        this.tally.merged++;
        this.merges.push({ by: id, event });
        const sides = event.sides.map(({ records, tokens }) => `${records} records with ${tokens} tokens`);
        return this.note(id, `took merge record ${event.round}: ${sides.join(" and ")}`);
      }
      case "cell":
        this.tally.cells++;
        return this.note(id, `is in cell '${event.cell}' of ${event.members}, before in '${event.before}'`);
      case "met":
        this.tally.met++;
        if (event.doubted > 0) this.tally.doubted++;
        return this.note(id, `took a meeting of '${event.cell}' with '${event.with}'`);
      case "mismatch":
        this.mismatches.push({ by: id, event });
        return;
      case "passed over":
        this.passedOver.set(event.offer, event);
        return this.note(id, `passed over the offer of round ${event.round} of ${event.peer}: ${event.reason}`);
      case "rejected":
        this.rejections.push({ by: id, event });
        return this.note(id, `rejected ${event.what} of ${event.peer}: ${event.reason}`);
      case "waiting":
        this.waits.push({ by: id, reason: event.reason });
        return;
      default:
        return;
    }
  }

  /** A peer ends against its user's will: it may where its disk broke its promise and has no state left. */
  onFault({ id, isHonest, disk }: SimPeer, reason: string): void {
    if (!isHonest) return;
    this.note(id, `cannot go on: ${reason}`);
    if (!disk.wasDamaged || !hasLostRun(disk)) {
      this.faults.push(`law 4: ${id} ended although it could go on: ${reason}`);
    }
  }

  onDown(peer: SimPeer, reason: "left" | "crashed"): void {
    this.#running.delete(peer.id);
    this.#look();
    if (peer.isRecorded) this.lives.push(peer.life!);
    if (reason === "crashed") this.tally.crashes++;
    else this.tally.left++;
    this.note(peer.id, reason);
  }

  /** One digest for all that happened: equal seeds have equal ones. */
  digest(): Digest {
    return digestOf([...this.trace, ...this.records.keys()].join("\n"));
  }

  note(who: string, text: string): void {
    this.trace.push(`${(this.#clock.nowMs / 1000).toFixed(1).padStart(8)} s  ${who.padEnd(7)} ${text}`);
  }
}
