/**
 * One simulated peer: a core with its disk, its learner and a host that performs effects one after another and may
 * lose power between any two of them. What is on the disk survives; everything else is gone.
 * @module
 */
import { createCore } from "../../p2p/sync/core.ts";
import type { Core, CoreOptions, Effect, Input, JournalEntry } from "../../p2p/sync/effects.ts";
import type { Rulebook } from "../../p2p/sync/rulebook.ts";
import type { Digest, Message, PeerId } from "../../p2p/sync/types.ts";
import type { VirtualTime } from "./virtual_time.ts";
import type { Observer } from "./observer.ts";
import { foldWeights, INITIAL, mergeWeights, SimLearner } from "./sim_learner.ts";
import { digestOf } from "../../p2p/sync/digest.ts";

/** What a peer needs from the world around it. */
export interface Surroundings {
  readonly clock: VirtualTime;
  readonly observer: Observer;
  readonly rulebook: Rulebook;
  /** Nobody offers any more. */
  isSilent(): boolean;
  /** Delivers to one peer, or to all others. */
  deliver(from: SimPeer, to: PeerId | null, message: Message): void;
  /** Finds a blob among donors: when it arrives and whether it does. */
  fetch(to: SimPeer, blob: Digest, from: readonly PeerId[]): { readonly afterMs: number; readonly found: boolean };
  /** Milliseconds that local work takes. */
  workMs(kind: "fold" | "judge" | "cut" | "evaluate"): number;
  /** The peer stopped: by itself, or because the power failed. */
  down(peer: SimPeer, reason: "left" | "crashed"): void;
}

export interface SimPeerOptions {
  readonly core: CoreOptions;
  readonly founder: boolean;
  readonly speed: number;
  readonly blobBytes: number;
}

/** Everything a core was told in one life, to be told again to another. */
export interface Life {
  readonly options: CoreOptions;
  readonly inputs: { readonly nowMs: number; readonly input: Input; readonly effects: readonly Effect[] }[];
}

export class SimPeer {
  readonly id: PeerId;
  readonly journal: JournalEntry[] = [];
  readonly blobs = new Set<Digest>([INITIAL.digest]);
  core: Core | null = null;
  life: Life | null = null;
  hasLeft = false;
  readonly #options: SimPeerOptions;
  readonly #world: Surroundings;
  #learner: SimLearner;
  #queue: Effect[] = [];
  #performing = false;
  #powerFor = Infinity;
  #lives = 0;
  #cuts = 0;
  #tickAtMs = Infinity;

  constructor(options: SimPeerOptions, world: Surroundings) {
    this.id = options.core.self;
    this.#options = options;
    this.#world = world;
    this.#learner = this.#newLearner();
  }

  get isUp(): boolean {
    return this.core !== null;
  }

  start(): void {
    if (this.isUp || this.hasLeft) return;
    this.#lives++;
    this.#learner = this.#newLearner();
    this.#learner.held.add(INITIAL.digest);
    this.core = createCore(this.#options.core, this.#world.rulebook);
    this.life = { options: this.#options.core, inputs: [] };
    this.#tickAtMs = Infinity;
    this.tell({ kind: "start", initial: INITIAL, found: this.#options.founder, journal: [...this.journal] });
  }

  /** The power will fail after some more effects. */
  failAfter(effects: number): void {
    if (this.isUp) this.#powerFor = effects;
  }

  tell(input: Input): void {
    if (this.core === null) return;
    const { nowMs } = this.#world.clock;
    const effects = this.core.handle(nowMs, input);
    this.life!.inputs.push({ nowMs, input, effects });
    this.#queue.push(...effects);
    this.#perform();
    this.#planTick();
  }

  #perform(): void {
    if (this.#performing) return; // an effect that answers at once is queued behind the others
    this.#performing = true;
    while (this.#queue.length > 0 && this.core !== null) {
      if (this.#powerFor-- <= 0) {
        this.#stop("crashed");
        break;
      }
      this.#do(this.#queue.shift()!);
    }
    this.#performing = false;
  }

  #do(effect: Effect): void {
    const { observer } = this.#world;
    switch (effect.kind) {
      case "announce":
        return this.#world.deliver(this, null, effect.message);
      case "send":
        return this.#world.deliver(this, effect.to, effect.message);
      case "journal":
        this.journal.push(effect.entry);
        return observer.onJournal(this.id, effect.entry);
      case "keep":
        if (this.#learner.held.has(effect.weights.digest)) this.blobs.add(effect.weights.digest);
        return;
      case "fetch": {
        const { digest: offer } = effect, blob = effect.blob.digest;
        const judgeMs = this.#world.workMs("judge");
        const judged: Input = { kind: "fetched", offer, verdict: { valid: true, norm: 1 } };
        if (this.blobs.has(blob)) return this.#later(judgeMs, () => judged);
        const { afterMs, found } = this.#world.fetch(this, blob, effect.from);
        return this.#later(afterMs + judgeMs, () => {
          if (!found) return { kind: "missing", offer, reason: "nobody has it" };
          this.blobs.add(blob);
          return judged;
        });
      }
      case "load": {
        const { digest: weights } = effect.weights;
        const here = this.blobs.has(weights) || this.#learner.held.has(weights);
        const { afterMs, found } = here ? { afterMs: 10, found: true } : this.#world.fetch(this, weights, effect.from);
        return this.#later(afterMs, () => {
          if (!found) return { kind: "load-failed", weights, reason: "nobody has it" };
          this.blobs.add(weights);
          this.#learner.held.add(weights);
          return { kind: "loaded", weights };
        });
      }
      case "fold":
        return this.#later(this.#world.workMs("fold"), () => this.#fold(effect));
      case "merge":
        return this.#later(this.#world.workMs("fold"), () => this.#merge(effect));
      case "adopted":
        return observer.onAdopted(this.id, effect.chain);
      case "train":
        return this.#learner.train(this.#world.clock.nowMs, effect.order);
      case "rest":
      case "settle":
        return;
      case "contribute":
        return this.#later(this.#world.workMs("cut"), () => this.#cut());
      case "evaluate":
        return this.#later(
          this.#world.workMs("evaluate"),
          () => ({ kind: "evaluated", record: effect.record, loss: 1 }),
        );
      case "forget":
        for (const blob of effect.blobs) {
          this.blobs.delete(blob);
          this.#learner.held.delete(blob);
        }
        return;
      case "report":
        return observer.onEvent(this.id, effect.event);
      case "stop":
        this.hasLeft = true;
        return this.#stop("left");
      default:
        effect satisfies never;
    }
  }

  #fold({ record, parent, parts }: Extract<Effect, { kind: "fold" }>): Input {
    const lacking = parts.find(({ blob }) => !this.blobs.has(blob.digest));
    if (lacking !== undefined) return { kind: "fold-failed", record, reason: `blob ${lacking.blob.digest} is gone` };
    if (!this.#learner.held.has(parent) && !this.blobs.has(parent)) {
      return { kind: "fold-failed", record, reason: `weights ${parent} are gone` };
    }
    const weights = foldWeights(parent, parts);
    this.#learner.held.add(weights.digest);
    return { kind: "folded", record, weights };
  }

  #merge({ record, sides }: Extract<Effect, { kind: "merge" }>): Input {
    const lacking = sides.find(({ weights }) => !this.#learner.held.has(weights) && !this.blobs.has(weights));
    if (lacking !== undefined) return { kind: "fold-failed", record, reason: `weights ${lacking.weights} are gone` };
    const weights = mergeWeights(sides);
    this.#learner.held.add(weights.digest);
    return { kind: "folded", record, weights };
  }

  #cut(): Input | null {
    if (this.#world.isSilent()) return null;
    const contribution = this.#learner.contribute(this.#world.clock.nowMs);
    if (contribution.steps === 0) return { kind: "contributed", contribution, blob: null };
    const digest = digestOf({ peer: this.id, life: this.#lives, cut: this.#cuts++ });
    this.blobs.add(digest);
    return { kind: "contributed", contribution, blob: { digest, sizeBytes: this.#options.blobBytes } };
  }

  /** Answers an effect, unless this life has ended meanwhile. */
  #later(delayMs: number, answer: () => Input | null): void {
    const life = this.#lives;
    this.#world.clock.after(delayMs, () => {
      if (life !== this.#lives || !this.isUp) return;
      const input = answer();
      if (input !== null) this.tell(input);
    });
  }

  #planTick(): void {
    const deadline = this.core?.deadline ?? null;
    if (deadline === null || deadline >= this.#tickAtMs) return;
    this.#tickAtMs = deadline;
    const life = this.#lives;
    this.#world.clock.at(deadline, () => {
      if (life !== this.#lives || this.#tickAtMs !== deadline) return;
      this.#tickAtMs = Infinity;
      this.tell({ kind: "tick" });
      this.#planTick();
    });
  }

  #stop(reason: "left" | "crashed"): void {
    this.core = null;
    this.#queue = [];
    this.#powerFor = Infinity;
    this.#world.observer.onDown(this.id, reason, this.life!);
    this.#world.down(this, reason);
  }

  #newLearner(): SimLearner {
    const { speed, core } = this.#options;
    return new SimLearner({ speed, contextLength: core.rules.contextLength });
  }
}
