/**
 * A whole host, with a real journal, store and learner, connected to a peer that sends nothing but wrong things: it keeps
 * its rounds, and the other honest peer of the run keeps them with it.
 * @module
 */
import { strict as assert } from "node:assert";
import { type Host, startHost } from "../../../p2p/host.ts";
import { MemoryNetwork } from "../../../p2p/net/memory.ts";
import type { Transport } from "../../../p2p/net/transport.ts";
import { MemoryJournal } from "../../../p2p/store/journal.ts";
import { MemoryBlobStore } from "../../../p2p/store/memory.ts";
import { encodeMessage } from "../../../p2p/wire.ts";
import type { Chance } from "../../chance.ts";
import { identity } from "../../conformance/transport.ts";
import { ManualClock } from "../../manual_clock.ts";
import { openStubLearner } from "../../stub_learner.ts";
import { mutated, randomBytes } from "../bytes.ts";
import { GENESIS, LIAR, messages, offer, record, RULES, sign } from "../samples.ts";
import type { Case, Probe, Target } from "../target.ts";
import { absurd, plausible } from "../values.ts";

const EPISODE = 300;
/** Between two messages: the host takes 100 a second of one sender. */
const STEP_MS = 20;

export const hostTargets: readonly Target[] = [
  { name: "host", share: 3, episode: EPISODE, begin: beginHost },
];

const PROTOCOLS = ["sync/1", "sync/2", "blobs/2", "relay/1", "peers/1", "genesis/1", "twins/1", "twins-sign/1", "x/1"];
const frames = messages.map(encodeMessage);

async function beginHost(): Promise<Probe> {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const start = (n: number): Promise<Host> =>
    startHost({
      identity: identity(n),
      rules: RULES,
      genesis: GENESIS,
      runBlobs: [],
      found: n === 0,
      addresses: n === 0 ? [] : [`/memory/${identity(0).peer}`],
      name: `peer ${n}`,
      device: "stub",
      transport: network.join(identity(n).peer),
      store: new MemoryBlobStore(),
      journal: new MemoryJournal(),
      learner: openStubLearner({ contextLength: RULES.contextLength, pull: 0.1 + n / 100 }),
      clock,
      onEvent: () => {},
    });
  const wren = await start(0), finch = await start(1), liar = network.join(LIAR.peer);
  await clock.runUntil("both train", () => roundOf(wren) >= 2 && roundOf(finch) >= 2);
  await liar.connect(`/memory/${wren.peer}`);
  answerWrongly(liar);
  const began = roundOf(wren);
  let sent = 0;
  return {
    next(chance): Case {
      const chain = wren.status().chain!, bytes = frameFor(chance, chain.head, chain.round);
      const isRequest = chance.happens(0.3);
      return {
        sizeBytes: bytes.length,
        async run() {
          sent++;
          if (isRequest) liar.request(wren.peer, chance.pick(PROTOCOLS), bytes).catch(() => {}); // refused, as it should be
          else if (bytes.length < 60_000) liar.announce(bytes);
          await new Promise((resolve) => setTimeout(resolve, 0));
          clock.advance(STEP_MS);
          return !isRequest;
        },
      };
    },
    async end() {
      const fuzzed = roundOf(wren);
      const fuzzedMs = sent * STEP_MS;
      assert.ok(
        fuzzed - began >= Math.floor(fuzzedMs / 5000),
        `${fuzzed - began} rounds in ${fuzzedMs} ms of being fuzzed`,
      );
      await clock.runUntil("both go on", () => roundOf(wren) > fuzzed + 2 && roundOf(finch) > fuzzed + 2, 50);
      for (const { host, name } of [{ host: wren, name: "wren" }, { host: finch, name: "finch" }]) {
        const end = await host.close();
        assert.equal(end.kind, "closed", `${name} ${end.kind}`);
      }
      await liar[Symbol.asyncDispose]();
    },
  };
}

function roundOf(host: Host): number {
  return host.status().chain?.round ?? -1;
}

/** What the liar answers when it is asked: bytes, never what was asked for. */
function answerWrongly(liar: Transport): void {
  let answers = 0;
  for (const name of PROTOCOLS) {
    liar.onRequest(name, (_, request) => {
      const length = ++answers % 7 * 100;
      return Promise.resolve(answers % 3 === 0 ? new Uint8Array(length).fill(answers) : request.slice());
    });
  }
}

function frameFor(chance: Chance, head: typeof record.parents[number], round: number): Uint8Array {
  if (chance.happens(0.2)) return randomBytes(chance, chance.whole(0, 500));
  if (chance.happens(0.3)) return mutated(chance.pick(frames), chance, chance.pick(frames));
  const fitting = chance.pick([
    () => sign(plausible({ ...offer, parent: head, round: round + 1 }, chance) as typeof offer),
    () => sign(plausible({ ...record, parents: [head], round: round + 1 }, chance) as typeof record),
    () => absurd(chance.pick(messages), chance),
  ]);
  try {
    return encodeMessage(fitting() as typeof messages[number]);
  } catch {
    return randomBytes(chance, 100); // what DAG-CBOR cannot say
  }
}
