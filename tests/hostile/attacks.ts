/**
 * What hostile peers do: wrappers around an honest peer's learner and transport. The peer inside stays honest, so an
 * attack is what reaches the others and nothing else.
 * @module
 */
import { bytesIn, contentIn, type Contribution, type Learner } from "../../p2p/learner.ts";
import type { Transport } from "../../p2p/net/transport.ts";
import type { Codec } from "../../runtime/state/codec/codec.ts";
import { type Chance, chance } from "../chance.ts";
import { replaced } from "../driven/replaced.ts";
import { normal, sumOfSquares } from "../normal.ts";

/** What an attacker knows. */
export interface Den {
  readonly codec: Codec;
  /** Values of a contribution. */
  readonly length: number;
  readonly seed: number;
}

/** One way to be hostile; what it leaves out stays honest. */
export interface Attack {
  readonly learner?: (learner: Learner, den: Den) => Learner;
  readonly transport?: (transport: Transport, den: Den) => Transport;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** All attacks by name. */
export const attacks = {
  /** Undoes what others learn as well as it learned itself: no longer than honest work, so no clip sees it. */
  "sign flip": {
    learner: (learner, den) =>
      altered(learner, (bytes) => changed(bytes, den, (values) => values.map((value) => -value))),
  },

  /** What it learned, a hundred times. */
  "×100": {
    learner: (learner, den) =>
      altered(learner, (bytes) => changed(bytes, den, (values) => values.map((value) => 100 * value))),
  },

  /** Noise without a direction, ten times as long as what it learned. */
  "noise": {
    learner(learner, den) {
      let draw = den.seed;
      return altered(learner, (bytes) =>
        changed(bytes, den, (values) => {
          const deviation = 10 * Math.sqrt(sumOfSquares(values) / values.length), noise = normal(values.length, ++draw);
          return values.map((value, i) => value === 0 ? 0 : deviation * noise[i]!); // padding must stay zero
        }));
    },
  },

  /** Scales that no number has: what int8 has for NaN. */
  "NaN": {
    learner: (learner) => altered(learner, (bytes) => bytes.fill(255, HEADER_BYTES)),
  },

  /** Its first contribution in every round, and all that it ever announced again. */
  "replay": {
    learner(learner) {
      let first: Bytes | null = null;
      return altered(learner, (bytes) => (first ??= bytes).slice());
    },
    transport(transport) {
      const said: Uint8Array[] = [];
      return replaced(transport, {
        announce(bytes) {
          if (said.length < MOST_SAID) said.push(bytes.slice());
          transport.announce(bytes);
          for (const old of said) transport.announce(old);
        },
      });
    },
  },

  /** Offers others' contributions as its own. */
  "copy": {
    learner(learner) {
      let seen: Bytes | null = null;
      return {
        ...altered(learner, (bytes) => seen?.slice() ?? bytes),
        async judge(contribution, offer) {
          seen = await bytesIn(contribution);
          return await learner.judge(contentIn(seen), offer);
        },
      };
    },
  },

  /** Random bytes wherever bytes are taken: announcements, requests, answers, contributions. */
  "garbage": {
    learner(learner, den) {
      const random = chance(den.seed);
      return altered(learner, (bytes) => garbage(random, random.happens(0.5) ? bytes.length : 100_000));
    },
    transport(transport, den) {
      const random = chance(den.seed);
      return replaced(transport, {
        announce(bytes) {
          transport.announce(bytes);
          for (let i = 0; i < FRAMES; i++) transport.announce(damaged(random, bytes));
          for (const peer of transport.peers()) {
            const name = random.pick(["sync/1", "blobs/1", "genesis/1", "peers/1", "nothing/1"]);
            transport.request(peer, name, damaged(random, bytes)).catch(() => {}); // refused, as it should be
          }
        },
        onRequest(name, handler) {
          transport.onRequest(name, async (from, request) => {
            const answer = await handler(from, request);
            return answer === null || random.happens(0.5) ? answer : damaged(random, answer);
          });
        },
      });
    },
  },
} as const satisfies Readonly<Record<string, Attack>>;

export type AttackName = keyof typeof attacks;

const HEADER_BYTES = 12;
/** Old announcements that are repeated. */
const MOST_SAID = 50;
/** Frames of garbage for each honest one. */
const FRAMES = 5;

function altered(learner: Learner, alter: (bytes: Bytes) => Bytes): Learner {
  return {
    ...learner,
    async contribute(): Promise<Contribution> {
      const contribution = await learner.contribute(), { bytes } = contribution;
      return { ...contribution, bytes: bytes && alter(bytes) };
    },
  };
}

/** The values of a contribution, changed and encoded again. */
function changed(bytes: Bytes, { codec, length }: Den, change: (values: Float32Array) => Float32Array): Bytes {
  const opened = codec.open(bytes, length), values = new Float64Array(length);
  if (!opened.ok) throw new Error(opened.reason);
  opened.vector.addTo(values, { start: 0, share: 1 });
  return codec.encode(change(Float32Array.from(values))).bytes;
}

function garbage(random: Chance, length: number): Bytes {
  return Uint8Array.from({ length }, () => random.whole(0, 255));
}

/** Some bytes other than they were, or all of them. */
function damaged(random: Chance, bytes: Uint8Array): Bytes {
  if (random.happens(0.3)) return garbage(random, random.whole(0, 2000));
  const copy = bytes.slice();
  for (let i = random.whole(1, 4); i > 0 && copy.length > 0; i--) {
    copy[random.whole(0, copy.length - 1)] = random.whole(0, 255);
  }
  return copy.subarray(0, random.happens(0.2) ? random.whole(0, copy.length) : copy.length);
}
