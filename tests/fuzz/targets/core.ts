/**
 * Messages that are well formed, truly signed and absurd, into the protocol's machine: a peer with a head that must keep
 * its rounds, and a newcomer whose only company is the liar.
 * @module
 */
import { strict as assert } from "node:assert";
import { createCore } from "../../../p2p/sync/core.ts";
import { bodyDigest, digestOf } from "../../../p2p/sync/digest.ts";
import type { Core, Effect, Input } from "../../../p2p/sync/effects.ts";
import type { ChainState, Digest, Message, Offer, RoundRecord } from "../../../p2p/sync/types.ts";
import { verifySignature } from "../../../p2p/identity.ts";
import { decodeMessage, encodeMessage } from "../../../p2p/wire.ts";
import type { Chance } from "../../chance.ts";
import { LIAR, LISTED, mergeRecord, messages, offer, OWNER, record, RULES, sign } from "../samples.ts";
import type { Case, Probe, Target } from "../target.ts";
import { absurd, plausible } from "../values.ts";

const EPISODE = 200, STEP_MS = 100;
const INITIAL = { digest: digestOf("initial weights"), sizeBytes: 36 };
/** Who owns the run, where it has a list. */
const SELF = OWNER;
/** Of anything the core holds, and of what one input may bring about. */
const MOST_HELD = 8192, MOST_EFFECTS = 4096;

export const coreTargets: readonly Target[] = [
  { name: "core with a head", share: 10, episode: EPISODE, begin: (chance) => new CoreProbe(chance, true) },
  { name: "core of a newcomer", share: 10, episode: EPISODE, begin: (chance) => new CoreProbe(chance, false) },
];

class CoreProbe implements Probe {
  readonly #core: Core;
  readonly #found: boolean;
  readonly #chance: Chance;
  #nowMs = 0;
  #chain: ChainState | null = null;
  /** The rounds of its own history, seen as they were adopted. */
  #adopted = 0;

  constructor(chance: Chance, found: boolean) {
    this.#found = found;
    this.#chance = chance;
    this.#core = createCore({
      self: SELF.peer,
      rules: chance.happens(0.5) ? RULES : LISTED,
      name: "wren",
      device: "cpu",
      sign: SELF.sign,
      verify: (digest, signature, author) => verifySignature(author, digest, signature),
    });
    this.#feed({ kind: "start", initial: INITIAL, found, journal: [] });
    this.#feed({ kind: "connected", peer: LIAR.peer });
    for (let i = 0; i < 50; i++) this.#pass();
  }

  next(chance: Chance): Case {
    const message = this.#message(chance);
    if (message === null) return { sizeBytes: 0, run: () => false };
    return {
      sizeBytes: encodeMessage(message).length,
      run: () => {
        this.#feed({ kind: "message", from: LIAR.peer, message });
        this.#pass();
        return true;
      },
    };
  }

  end(): void {
    if (!this.#found) return;
    const before = this.#adopted;
    for (let i = 0; i < 400; i++) this.#pass();
    assert.ok(this.#adopted > before + 2, `it adopted ${this.#adopted} heads, ${before} of them while it was fuzzed`);
  }

  #pass(): void {
    this.#nowMs += STEP_MS;
    if (this.#core.deadline !== null && this.#core.deadline <= this.#nowMs) this.#feed({ kind: "tick" });
  }

  /** Handles an input and what answers its effects, as a host with a quick learner would. */
  #feed(first: Input): void {
    const inputs: Input[] = [first];
    let handled = 0;
    for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
      assert.ok(++handled < MOST_EFFECTS, "inputs and effects follow each other for ever");
      const effects = this.#core.handle(this.#nowMs, input);
      assert.ok(effects.length < MOST_EFFECTS, `${effects.length} effects of a ${input.kind}`);
      for (const effect of effects) inputs.push(...this.#perform(effect));
    }
    for (const [what, count] of Object.entries(this.#core.sizes)) {
      assert.ok(count <= MOST_HELD, `it holds ${count} ${what}`);
    }
  }

  #perform(effect: Effect): readonly Input[] {
    const chance = this.#chance;
    switch (effect.kind) {
      case "announce":
      case "send":
        encodeMessage(effect.message); // throws for what no other peer could read
        return [];
      case "adopted":
        this.#chain = effect.chain;
        this.#adopted++;
        return [];
      case "fetch":
        return chance.happens(0.5)
          ? [{ kind: "fetched", offer: effect.digest, verdict: { valid: true, norm: 1 } }]
          : [{ kind: "missing", offer: effect.digest, reason: "nobody has it" }];
      case "load":
        return effect.weights.digest === INITIAL.digest || chance.happens(0.7)
          ? [{ kind: "loaded", weights: effect.weights.digest }]
          : [{ kind: "load-failed", weights: effect.weights.digest, reason: "nobody has it" }];
      case "fold":
      case "merge": {
        const { kind: _, ...what } = effect, weights = { ...INITIAL, digest: digestOf(what) };
        return [{ kind: "folded", record: effect.record, weights, screen: null }];
      }
      case "contribute":
        return [{ kind: "contributed", contribution: this.#contribution(), blob: null }];
      case "evaluate":
        return [{ kind: "evaluated", record: effect.record, loss: 3 }];
      default:
        return [];
    }
  }

  #contribution() {
    const round = this.#chain?.round ?? 0;
    return {
      round,
      tokens: 0,
      steps: 0,
      batch: 0,
      microBatch: 0,
      ranges: [],
      loss: 0,
      speed: 10,
      computeMs: 1,
      idleMs: 0,
      noise: null,
    };
  }

  /** Something of the liar's that fits what this core stands on, and is wrong; null if it is not even a message. */
  #message(chance: Chance): Message | null {
    const chain = this.#chain, head = chain?.head ?? digestOf("head"), round = chain?.round ?? 3;
    const fitting: Partial<Offer> = chance.happens(0.7) ? { parent: head, round: round + 1 } : {};
    const made = chance.pick([
      () =>
        sign(
          wrong(
            { ...offer, ...fitting, ...chance.happens(0.5) ? { blob: null, tokens: 0, steps: 0, ranges: [] } : {} },
            chance,
          ),
        ),
      () => sign(wrong({ ...record, parents: [head], round: round + 1 }, chance)),
      () => sign(wrong({ ...mergeRecord, parents: [head, digestOf(chance.whole(0, 9))], round: round + 1 }, chance)),
      () => this.#state(chance),
      () => this.#state(chance),
      () => wrong(chance.pick(messages), chance),
      () => this.#history(chance, head, round),
    ]);
    try {
      const decoded = decodeMessage(encodeMessage(made() as Message), RULES.run);
      if (!decoded.ok) return null;
      return decoded.value.kind === "beat" ? { ...decoded.value, peer: LIAR.peer } : decoded.value;
    } catch {
      return null; // what DAG-CBOR cannot say
    }
  }

  /** A state whose parts fit each other, with a record that the liar signed, and absurd values in it. */
  #state(chance: Chance): unknown {
    const sample = messages.find((message) => message.kind === "state-at")!;
    const before = this.#chain !== null && chance.happens(0.5) ? this.#chain : sample.chain;
    const body = { ...record, round: chance.pick([before.round + 1, 1000, 2 ** 40]), scribe: LIAR.peer };
    const signed = sign(chance.happens(0.3) ? wrong(body, chance) : body);
    const fitting = { ...before, head: bodyDigest(signed.body), round: signed.body.round, members: null };
    const heavy = { ...fitting, weight: chance.pick([before.weight, 1e17, 1e18]) };
    return {
      kind: "state-at",
      run: RULES.run,
      record: signed,
      chain: wrong(heavy, chance),
      weights: { ...INITIAL, digest: digestOf(chance.whole(0, 99)) },
    };
  }

  /** Records that build on each other, the last of them wrong. */
  #history(chance: Chance, head: Digest, round: number): unknown {
    const records: RoundRecord[] = [];
    for (let i = chance.whole(1, 20); i > 0; i--) {
      const parent = records.at(-1);
      records.push({
        ...record,
        parents: [parent === undefined ? head : bodyDigest(parent)],
        round: (parent?.round ?? round) + 1,
        counted: [{ offer: bodyDigest(offer), peer: LIAR.peer, age: 0 }],
      });
    }
    const last = wrong(records.at(-1)!, chance);
    return {
      kind: "history",
      run: RULES.run,
      records: [...records, last].map((body) => sign(body)),
      offers: [sign(wrong(offer, chance))],
    };
  }
}

/** Made wrong; of the same type only as far as the wire will find out. */
function wrong<T>(value: T, chance: Chance): T {
  return (chance.happens(0.9) ? plausible(value, chance) : absurd(value, chance)) as T;
}
