/**
 * One simulated peer: a core with its disk, its learner, its clock and a host that performs effects one after another
 * and may lose power between any two of them. What is on the disk survives; everything else is gone.
 *
 * It follows `p2p/host.ts` and `p2p/perform.ts` in everything that a core can notice; a mailbox fills while the process
 * is frozen, and refuses what does not fit. A liar sits between the core and everything else.
 * @module
 */
import { digitsOf } from "../../p2p/sync/cells.ts";
import { createCore } from "../../p2p/sync/core.ts";
import { bodyDigest, digestOf } from "../../p2p/sync/digest.ts";
import type { Core, CoreOptions, Effect, Input } from "../../p2p/sync/effects.ts";
import type { Rulebook } from "../../p2p/sync/rulebook.ts";
import type { BlobName, Digest, Message, Offer, PeerId, RoundRecord, Signed, SyncRules } from "../../p2p/sync/types.ts";
import { makeLiar } from "./liars/kinds.ts";
import type { Liar, LiarKind } from "./liars/liar.ts";
import { LocalTime } from "./local_time.ts";
import { Mailbox } from "./mailbox.ts";
import { signAs, verifySimulated } from "./signatures.ts";
import { SimDisk } from "./sim_disk.ts";
import { foldWeights, INITIAL_WEIGHTS, mergeWeights, SimLearner } from "./sim_learner.ts";
import type { Surroundings } from "./surroundings.ts";
import type { DiskDamage, Machine } from "./weather.ts";

/** What stands between the core of a peer and the world: a liar, or a bug that a test has planted. */
export type Bug = Pick<Liar, "hear" | "say">;

export interface SimPeerOptions {
  readonly index: number;
  readonly id: PeerId;
  readonly others: readonly PeerId[];
  readonly rules: SyncRules;
  readonly rulebook: Rulebook;
  readonly bug: Bug | null;
  readonly machine: Machine;
  readonly blobBytes: number;
  readonly weightsBytes: number;
}

/** Everything a core was told in one life, to be told again to another. */
export interface Life {
  readonly core: CoreOptions;
  readonly inputs: { readonly nowMs: number; readonly input: Input; readonly effects: readonly Effect[] }[];
}

/** Milliseconds of local work. */
const WORK_MS = {
  fold: { least: 20, most: 800 },
  judge: { least: 1, most: 20 },
  cut: { least: 10, most: 300 },
  evaluate: { least: 100, most: 3_000 },
  read: { least: 5, most: 50 },
};
/** Messages that a liar remembers. */
const MOST_HEARD = 64;

export class SimPeer {
  readonly index: number;
  readonly id: PeerId;
  readonly disk = new SimDisk([INITIAL_WEIGHTS]);
  readonly time: LocalTime;
  core: Core | null = null;
  /** What the core was told in this life, if somebody wants to know. */
  life: Life | null = null;
  isRecorded = false;
  hasLeft = false;
  isFrozen = false;
  /** The first 32 digits of its name, as a whole number. */
  readonly digits: number;
  readonly #options: SimPeerOptions;
  readonly #world: Surroundings;
  readonly #liar: Liar | null;
  readonly #heard: Message[] = [];
  readonly #mailbox = new Mailbox();
  #learner: SimLearner;
  #queue: Effect[] = [];
  #performing = false;
  #powerFor = Infinity;
  #damage: DiskDamage = null;
  #lives = 0;
  #cuts = 0;
  #tickAtMs = Infinity;
  #cell = "";

  constructor(options: SimPeerOptions, world: Surroundings) {
    this.index = options.index;
    this.id = options.id;
    this.#options = options;
    this.#world = world;
    this.digits = Number.parseInt(digitsOf(options.rules, options.id), 2);
    this.time = new LocalTime(options.machine.clock);
    this.#learner = this.#newLearner();
    this.#liar = options.machine.liar === null ? options.bug : makeLiar(options.machine.liar, {
      self: this.id,
      rules: options.rules,
      draw: world.draw,
      sign: (body) => this.#sign(body),
      others: options.others,
      heard: this.#heard,
    });
  }

  /** The cell whose state it stands on: where its announcements go. */
  get cell(): string {
    return this.#cell;
  }

  get isUp(): boolean {
    return this.core !== null;
  }

  get isHonest(): boolean {
    return this.#options.machine.liar === null;
  }

  get liarKind(): LiarKind | null {
    return this.#options.machine.liar;
  }

  /** The rules by which its core goes. */
  get rulebook(): Rulebook {
    return this.#liar?.rulebook ?? this.#options.rulebook;
  }

  /** Liars lie until the silence; bugs stay. */
  get #isLying(): boolean {
    return this.isHonest || !this.#world.isTruthful();
  }

  /** Which of its lives this is. */
  get lives(): number {
    return this.#lives;
  }

  start(): void {
    if (this.isUp || this.hasLeft) return;
    const { rules, weightsBytes } = this.#options;
    this.#lives++;
    this.#cell = "";
    this.#learner = this.#newLearner();
    this.#learner.held.add(INITIAL_WEIGHTS);
    this.disk.dropUnnamed(INITIAL_WEIGHTS);
    this.#world.observer.onStart(this);
    const core: CoreOptions = {
      self: this.id,
      rules,
      name: this.id,
      device: "stub",
      sign: signAs(this.id),
      verify: verifySimulated,
    };
    this.core = createCore(core, this.rulebook);
    this.life = { core, inputs: [] };
    this.#tickAtMs = Infinity;
    const initial = { digest: INITIAL_WEIGHTS, sizeBytes: weightsBytes };
    this.tell({ kind: "start", initial, found: this.index === 0, journal: [...this.disk.journal] });
  }

  /** The power will fail after some more effects. */
  failAfter(effects: number, damage: DiskDamage): void {
    if (!this.isUp) return;
    this.#powerFor = effects;
    this.#damage = damage;
  }

  freeze(): void {
    if (!this.isUp || this.isFrozen) return;
    this.isFrozen = true;
    this.#learner.freeze(this.#world.clock.nowMs);
    this.#world.observer.onFrozen(this, true);
  }

  thaw(): void {
    if (!this.isFrozen) return;
    this.isFrozen = false;
    this.#learner.thaw(this.#world.clock.nowMs);
    this.#world.observer.onFrozen(this, false);
    for (const input of this.#mailbox.takeAll()) this.tell(input);
    this.#planTick();
  }

  jumpClock(byMs: number): void {
    this.time.jump(byMs);
    this.#tickAtMs = Infinity;
    this.#planTick();
  }

  hear(from: PeerId, message: Message): void {
    if (!this.isUp) return;
    if (this.#liar !== null) {
      this.#heard.push(message);
      if (this.#heard.length > MOST_HEARD) this.#heard.shift();
    }
    this.tell({ kind: "message", from, message });
  }

  serves(blob: Digest, to: PeerId): boolean {
    return this.disk.isWhole(blob) && (this.#liar?.serves?.(blob, to) ?? true);
  }

  tell(told: Input): void {
    if (this.core === null) return;
    if (this.isFrozen) return void this.#mailbox.put(told);
    const input = this.#isLying && this.#liar?.hear !== undefined ? this.#liar.hear(told) : told;
    const nowMs = this.time.shownAt(this.#world.clock.nowMs);
    const { meter, clock } = this.#world, core = this.core, handle = () => core.handle(nowMs, input);
    const effects = meter === null ? handle() : meter.handle(clock.nowMs, input, handle);
    if (this.isRecorded) this.life!.inputs.push({ nowMs, input, effects });
    if (this.isHonest) this.#world.observer.onHandled(this, effects.length);
    for (const effect of effects) this.#queue.push(effect);
    this.#perform();
    this.#planTick();
  }

  #perform(): void {
    if (this.#performing) return; // an effect that answers at once is queued behind the others
    this.#performing = true;
    for (let i = 0; i < this.#queue.length && this.core !== null; i++) {
      if (this.#powerFor-- <= 0) {
        this.#stop("crashed");
        break;
      }
      this.#say(this.#queue[i]!);
    }
    this.#queue = [];
    this.#performing = false;
  }

  #say(effect: Effect): void {
    if (this.#liar === null || !this.#isLying) return this.#do(effect);
    for (const said of this.#liar.say?.(effect) ?? [effect]) this.#do(said);
    const isBeat = effect.kind === "announce" && effect.message.kind === "beat";
    if (isBeat) { for (const said of this.#liar.act?.() ?? []) this.#do(said); }
  }

  #do(effect: Effect): void {
    const { observer } = this.#world;
    switch (effect.kind) {
      case "announce":
      case "send":
        if (this.isHonest) observer.onSaid(this, effect.message);
        return this.#world.deliver(
          this,
          effect.kind === "send" ? { peer: effect.to } : { cell: effect.cell },
          effect.message,
        );
      case "journal":
        this.disk.append(effect.entry);
        return observer.onJournal(this, effect.entry);
      case "keep":
        if (this.#learner.held.has(effect.weights.digest)) this.disk.put(effect.weights.digest);
        return;
      case "fetch":
        return this.#bring(effect.blob, this.#donors(effect), (isHere) => {
          if (!isHere) return { kind: "missing", offer: effect.digest, reason: "nobody has it" };
          const verdict = this.#learner.judge(this.#world.contents.get(effect.blob.digest), effect.offer);
          return { kind: "fetched", offer: effect.digest, verdict };
        });
      case "load":
        return this.#load(effect.weights, effect.from);
      case "fold":
        return this.#later("fold", () => this.#fold(effect));
      case "merge":
        return this.#later("fold", () => this.#merge(effect));
      case "adopted":
        this.#move(effect.chain.cell);
        return observer.onAdopted(this, effect.chain);
      case "train":
        return this.#learner.train(this.#world.clock.nowMs, effect.order);
      case "contribute":
        return this.#later("cut", () => this.#cut());
      case "evaluate":
        return this.#later("evaluate", () => ({ kind: "evaluated", record: effect.record, loss: 1 }));
      case "forget":
        for (const blob of effect.blobs) {
          this.disk.delete(blob);
          this.#learner.held.delete(blob);
        }
        return;
      case "report":
        return observer.onEvent(this, effect.event);
      case "stop":
        this.hasLeft = true;
        if (effect.fault !== null) observer.onFault(this, effect.reason);
        return this.#stop("left");
      case "admit": // the simulator's runs have no list of members
      case "rest":
      case "settle":
        return;
      default:
        effect satisfies never;
    }
  }

  #move(cell: string): void {
    if (cell === this.#cell) return;
    this.#cell = cell;
    this.#world.moved(this);
  }

  /** The author first: only it is sure to have the blob. */
  #donors({ offer, from }: Extract<Effect, { kind: "fetch" }>): readonly PeerId[] {
    return from.includes(offer.peer) ? [offer.peer, ...from.filter((peer) => peer !== offer.peer)] : from;
  }

  /** Has the blob on the disk, if it can be had, and answers. */
  #bring(blob: BlobName, from: readonly PeerId[], answer: (isHere: boolean) => Input): void {
    const life = this.#lives, read = () => this.#later("judge", () => answer(this.disk.read(blob.digest)));
    if (this.disk.has(blob.digest)) return read();
    this.#world.fetch(this, blob, from, (found) => {
      if (life !== this.#lives || !this.isUp) return;
      if (found) this.disk.put(blob.digest);
      read();
    });
  }

  #load(weights: BlobName, from: readonly PeerId[]): void {
    const { digest } = weights;
    if (digest === INITIAL_WEIGHTS) return this.#later("judge", () => ({ kind: "loaded", weights: digest })); // made anew
    this.#bring(weights, from, (isHere): Input => {
      if (!isHere) return { kind: "load-failed", weights: digest, reason: "nobody has them" };
      this.#learner.held.add(digest);
      return { kind: "loaded", weights: digest };
    });
  }

  #fold({ record, parent, parts }: Extract<Effect, { kind: "fold" }>): Input {
    const lacking = parts.find(({ blob }) => !this.disk.read(blob.digest));
    if (lacking !== undefined) return { kind: "fold-failed", record, reason: `blob ${lacking.blob.digest} is gone` };
    if (!this.#learner.held.has(parent) && !this.disk.read(parent)) {
      return { kind: "fold-failed", record, reason: `weights ${parent} are gone` };
    }
    return this.#folded(record, foldWeights(parent, parts));
  }

  #merge({ record, sides }: Extract<Effect, { kind: "merge" }>): Input {
    const lacking = sides.find(({ weights }) => !this.#learner.held.has(weights) && !this.disk.read(weights));
    if (lacking !== undefined) return { kind: "fold-failed", record, reason: `weights ${lacking.weights} are gone` };
    return this.#folded(record, mergeWeights(sides));
  }

  #folded(record: Digest, digest: Digest): Input {
    this.#learner.held.add(digest);
    return { kind: "folded", record, weights: { digest, sizeBytes: this.#options.weightsBytes }, screen: null };
  }

  #cut(): Input | null {
    const world = this.#world;
    if (world.isSilent()) return world.onSpeak(() => this.#later("cut", () => this.#cut())), null;
    const contribution = this.#learner.contribute(this.#world.clock.nowMs);
    if (contribution.steps === 0) return { kind: "contributed", contribution, blob: null };
    const digest = digestOf({ peer: this.id, life: this.#lives, cut: this.#cuts++ });
    this.disk.put(digest);
    this.#world.contents.set(digest, { author: this.id, isGarbage: this.#liar?.makesGarbage ?? false });
    return { kind: "contributed", contribution, blob: { digest, sizeBytes: this.#options.blobBytes } };
  }

  /** Answers an effect after some work, unless this life has ended meanwhile. */
  #later(work: keyof typeof WORK_MS, answer: () => Input | null): void {
    const life = this.#lives, { least, most } = WORK_MS[work];
    this.#world.clock.after(this.#world.draw.between(least, most), () => {
      if (life !== this.#lives || !this.isUp) return;
      const input = answer();
      if (input !== null) this.tell(input);
    });
  }

  #planTick(): void {
    const deadline = this.core?.deadline ?? null;
    if (deadline === null || this.isFrozen) return;
    const atMs = this.time.whenShown(deadline);
    if (atMs >= this.#tickAtMs) return;
    this.#tickAtMs = atMs;
    const life = this.#lives;
    this.#world.clock.at(atMs, () => {
      if (life !== this.#lives || this.#tickAtMs !== atMs) return;
      this.#tickAtMs = Infinity;
      this.tell({ kind: "tick" });
      this.#planTick();
    });
  }

  #stop(reason: "left" | "crashed"): void {
    [this.core, this.#queue, this.#powerFor] = [null, [], Infinity];
    this.isFrozen = false;
    this.#mailbox.clear();
    if (reason === "crashed") this.disk.powerCut(this.#damage, this.#world.draw);
    this.#world.observer.onDown(this, reason);
    this.#world.down(this, reason);
  }

  #sign<T extends Offer | RoundRecord>(body: T): Signed<T> {
    return { kind: "signed", body, signature: signAs(this.id)(bodyDigest(body)) };
  }

  #newLearner(): SimLearner {
    const { machine: { speed }, rules: { contextLength } } = this.#options;
    return new SimLearner({ peer: this.id, speed, contextLength });
  }
}
