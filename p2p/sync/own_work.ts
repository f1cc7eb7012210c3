/**
 * What one peer trains and offers: it asks to be admitted, trains a prefix of its lease in boxes, offers what it cut,
 * evaluates when it is its turn, and says goodbye.
 * @module
 */
import { globalBatch, localBatch } from "./balance.ts";
import { statisticUsed } from "./batch/request.ts";
import { TEST_STEPS } from "./batch/statistics.ts";
import type { Book } from "./book.ts";
import { BoxTimer } from "./box_timer.ts";
import { isFinished } from "./chain.ts";
import { claimed } from "./claims.ts";
import type { Context } from "./context.ts";
import type { Fault } from "./effects.ts";
import { bodyDigest } from "./digest.ts";
import type { Fetching } from "./fetching.ts";
import { leaseOf } from "./ledger.ts";
import { leadingPlace } from "./demand.ts";
import { lineageOf, placeOf } from "./lineages.ts";
import { buildOffer, type Ground, NO_WORK, type Work } from "./offer.ts";
import { OwnKey } from "./own_key.ts";
import { OwnOffers } from "./own_offers.ts";
import { subtract } from "./ranges.ts";
import { isMember } from "./roster.ts";
import type { ChainState, Digest, Offer, Signed } from "./types.ts";

/** How long a peer that leaves stays to serve its last contribution, unless it is counted before. */
const LONGEST_GOODBYE_MS = 10_000;

export class OwnWork {
  readonly offers = new OwnOffers();
  readonly key = new OwnKey();
  readonly #box = new BoxTimer();
  #heldOut: { readonly record: Digest; readonly loss: number } | null = null;
  #evaluating: Digest | null = null;
  /** When a leaving peer stops at the latest. */
  #stopAtMs: number | null = null;
  #leaving = false;

  get isLeaving(): boolean {
    return this.#leaving;
  }

  get boxEndsAtMs(): number {
    return this.#box.deadline;
  }

  get deadline(): number {
    return Math.min(this.#box.deadline, this.#stopAtMs ?? Infinity);
  }

  /** A head was adopted. Returns a first offer to publish, if this peer is no member yet. */
  onHead(context: Context, { chain, base }: Ground, weights: Digest): Signed<Offer> | null {
    const { emit, now, options: { rules, self } } = context;
    if (isFinished(chain, rules)) {
      this.#box.close();
      emit({ kind: "rest" });
      return null;
    }
    if (this.#leaving) return null;
    const offered = this.offers.hasOfferOn(chain.head);
    if (!isMember(chain.roster, self)) {
      this.#box.close();
      // One that was made before a disk lost the states until then is ahead of this head: nobody could count it.
      const asked = this.offers.pending().some(({ body }) => body.blob === null && body.round <= chain.round + 1);
      return offered || asked ? null : this.#make(context, { chain, base }, { work: NO_WORK, isForHead: true });
    }
    this.#box.open(now, chain.roundMs, offered);
    const { roster, lineages } = chain, lineage = lineageOf(chain, self);
    const { hosts } = roster.find(({ peer }) => peer === self)!;
    const ranges = subtract(leaseOf(chain.ledger, self), this.offers.pendingRanges());
    emit({
      kind: "train",
      order: {
        round: chain.round + 1,
        weights,
        lineage: {
          at: lineages.indexOf(lineage),
          from: lineage.from,
          hosted: hosts.flatMap((id) => lineages[placeOf(lineages, id)]!.from),
          leading: leadingPlace(chain),
        },
        tokens: chain.tokens,
        ranges,
        batch: localBatch(chain, self, rules),
        globalBatch: globalBatch(chain, lineage, rules),
        measure: { every: TEST_STEPS, sketch: statisticUsed(rules) === "peers" },
        encoding: { codec: chain.encoding.codec, kept: chain.encoding.kept },
        roundMs: chain.roundMs,
      },
    });
    if (chain.evaluator === self && this.#evaluating === null) {
      this.#evaluating = chain.head;
      emit({ kind: "evaluate", record: chain.head, weights, at: leadingPlace(chain) });
    }
    return null;
  }

  /** There is no head to train on. A cut in hand is still offered: others may count it. */
  onNoHead({ emit }: Context): void {
    this.#box.close();
    emit({ kind: "rest" });
  }

  /** What we offered on this head came to nothing, and perhaps nobody else offers: another box on it. */
  beginAgain({ now }: Context, { roundMs }: ChainState): void {
    if (this.#box.deadline === Infinity && !this.#box.isCutting && !this.#leaving) this.#box.open(now, roundMs, false);
  }

  /** Asks the learner to cut, when the box has ended. */
  run({ emit, now }: Context, ground: Ground): void {
    if (this.#box.deadline > now) return;
    this.#box.cut({ ground, leaving: false });
    emit({ kind: "contribute" });
  }

  /** The learner has cut. Returns the offer to publish, or null if it was not asked. */
  onContributed(context: Context, work: Work, head: Digest | null, fetching: Fetching): Signed<Offer> | null {
    const cut = this.#box.takeCut();
    if (cut === null) return null;
    const leaving = cut.leaving || this.#leaving;
    if (leaving) context.emit({ kind: "rest" });
    const isForHead = cut.ground.chain.head === head;
    return this.#make(context, cut.ground, { work, isForHead, leaving, transferMs: fetching.takeTransferMs() });
  }

  onEvaluated(record: Digest, loss: number | null): void {
    if (this.#evaluating === record) this.#evaluating = null;
    if (loss !== null && Number.isFinite(loss)) this.#heldOut = { record, loss };
  }

  /** The user wants to stop: one last cut, if there can be anything in it. */
  leave({ emit, now, options: { rules, self } }: Context, ground: Ground | null): void {
    if (this.#leaving) return;
    this.#leaving = true;
    if (ground === null || !isMember(ground.chain.roster, self) || isFinished(ground.chain, rules)) {
      this.#stopAtMs = now;
    } else if (!this.#box.isCutting) {
      this.#box.cut({ ground, leaving: true });
      emit({ kind: "contribute" });
    }
    this.#stopAtMs ??= now + LONGEST_GOODBYE_MS;
  }

  /** Why this peer must stop, or why one that leaves may; null if it goes on. */
  whyStop({ now }: Context, book: Book): { readonly reason: string; readonly fault: Fault | null } | null {
    const fault = this.key.whyStop(book);
    if (fault !== null) return { reason: fault, fault: "key" };
    if (this.#stopAtMs === null) return null;
    if (!this.#box.isCutting && this.offers.pending().length === 0) {
      return { reason: "it left, and all its work is counted", fault: null };
    }
    if (now < this.#stopAtMs) return null;
    return { reason: "it left; its last offer may be counted without it", fault: null };
  }

  #make(context: Context, ground: Ground, made: {
    readonly work: Work;
    readonly isForHead: boolean;
    readonly leaving?: boolean;
    readonly transferMs?: number;
  }): Signed<Offer> {
    const { now, options, report } = context, { rules, self } = options, { chain } = ground, { roundMs } = chain;
    const work = claimed(made.work, { peer: self, chain, rules });
    const times = made.work === NO_WORK
      ? { waitMs: 0, nextMs: roundMs }
      : this.#box.offered(now, { isForHead: made.isForHead, roundMs });
    const heldOut = this.#heldOut?.record === chain.head ? this.#heldOut.loss : null;
    const body = buildOffer(ground, work, {
      ...options,
      ...times,
      heldOut,
      leaving: made.leaving ?? false,
      transferMs: made.transferMs ?? 0,
    });
    const digest = bodyDigest(body);
    const signed: Signed<Offer> = { kind: "signed", body, signature: options.sign(digest) };
    this.offers.add(digest, signed);
    this.key.made(digest, body);
    report({ kind: "offered", round: body.round, offer: digest, tokens: body.tokens });
    return signed;
  }
}
