/**
 * Requests and answers between two peers: blobs, addresses, dial-backs, relaying, twins, the genesis, and bare frames.
 * @module
 */
import type { Stream } from "@libp2p/interface";
import { encode } from "@ipld/dag-cbor";
import { strict as assert } from "node:assert";
import { fetchGenesis, serveGenesis } from "../../../p2p/genesis.ts";
import { decodeBlobRequest, encodeBlobRequest } from "../../../p2p/net/blob_requests.ts";
import { relayBlobs, serveBlobs } from "../../../p2p/net/blob_server.ts";
import { DialBack } from "../../../p2p/net/dial_back.ts";
import { readFrame } from "../../../p2p/net/frame.ts";
import { MemoryNetwork } from "../../../p2p/net/memory.ts";
import { keepConnected } from "../../../p2p/net/mesh.ts";
import { watchForTwins } from "../../../p2p/net/twins.ts";
import { chunkListOf, decodeChunkList, encodeChunkList } from "../../../p2p/store/chunks.ts";
import { MemoryBlobStore } from "../../../p2p/store/memory.ts";
import type { Digest } from "../../../p2p/sync/types.ts";
import type { Chance } from "../../chance.ts";
import { connectBoth, identity } from "../../conformance/transport.ts";
import { ManualClock } from "../../manual_clock.ts";
import { mutated, randomBytes } from "../bytes.ts";
import { looseCbor } from "../cbor.ts";
import { GENESIS, LIAR, RULES } from "../samples.ts";
import { accepts, independent, type Probe, type Target } from "../target.ts";
import { absurd } from "../values.ts";

const BLOB = new Uint8Array(300_000).map((_, i) => i * 31 % 251);
const list = encodeChunkList(await chunkListOf(BLOB));
const ADDRESS = `/ip4/192.168.1.7/tcp/4001/p2p/${LIAR.peer}`;

/** A valid request, or answer, of each protocol. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  "peers/1": [[ADDRESS], [`/p2p/${identity(2).peer}`, ADDRESS]],
  "dial-back/1": [{ port: 4001, ws: false }, { port: 4002, ws: true }],
  "twins/1": new Uint8Array(32).fill(1),
  "twins-sign/1": new Uint8Array(32).fill(2),
  "genesis/1": new Uint8Array(0),
};

export const requestTargets: readonly Target[] = [
  independent("blob request", 150, (chance) => {
    const piece = chance.happens(0.5) ? null : { start: chance.whole(0, 10) * 262_144, end: 0 };
    const asked = encodeBlobRequest({ digest: RULES.run, piece: piece && { ...piece, end: piece.start + 1000 } });
    const bytes = mutated(asked, chance);
    return {
      sizeBytes: bytes.length,
      run() {
        const request = decodeBlobRequest(bytes);
        if (request !== null) assert.deepEqual(decodeBlobRequest(encodeBlobRequest(request)), request);
        return request !== null;
      },
    };
  }),
  independent("chunk list", 150, (chance) => {
    const bytes = mutated(list, chance);
    return {
      sizeBytes: bytes.length,
      run() {
        const found = decodeChunkList(bytes);
        if (found !== null) assert.deepEqual(encodeChunkList(found), bytes);
        return found !== null;
      },
    };
  }),
  independent("frame", 100, (chance) => {
    const bytes = mutated(new Uint8Array([0, 0, 0, 20, ...randomBytes(chance, 20)]), chance);
    return { sizeBytes: bytes.length, run: () => accepts(() => readAsFrame(bytes, chance), "TransportError") };
  }),
  { name: "requests and answers", share: 20, episode: 500, begin: beginPair },
];

/** Two peers that serve and ask everything; one of the two sends and answers wrongly. */
async function beginPair(): Promise<Probe> {
  const network = new MemoryNetwork(), clock = new ManualClock(), store = new MemoryBlobStore();
  const wren = network.join(identity(0).peer), liar = network.join(LIAR.peer);
  wren.addresses = () => [`/ip4/192.168.1.8/tcp/4001/p2p/${wren.peer}`];
  const digest = await store.put(BLOB);
  let answer: Uint8Array = new Uint8Array();
  for (const name of Object.keys(SAMPLES)) liar.onRequest(name, () => Promise.resolve(answer));
  await connectBoth(wren, liar);
  const serve = serveBlobs(wren, store);
  relayBlobs(wren, serve, { underWay: () => null, onRelayed: () => {} });
  serveGenesis(wren, GENESIS);
  const mesh = keepConnected(wren, { run: RULES.run, addresses: [], clock, onUnreachable: () => {} });
  const twins = watchForTwins(wren, {
    identity: identity(0),
    run: RULES.run,
    clock,
    dialled: [],
    onTwin: (error) => assert.fail(`it believed in a twin: ${error.message}`),
  });
  const dialBack = new DialBack({
    transport: wren,
    hostOf: () => "/ip4/203.0.113.5",
    probe: () => Promise.reject(new Error("closed")),
    onChange: () => {},
  });
  return {
    next(chance) {
      const protocol = chance.pick([...Object.keys(SAMPLES), "blobs/2", "relay/1"]), isAnswer = chance.happens(0.3);
      const bytes = requestOf(protocol, digest, chance);
      return {
        sizeBytes: bytes.length,
        async run() {
          if (!isAnswer) return await accepts(() => liar.request(wren.peer, protocol, bytes), "TransportError");
          answer = bytes;
          await dialBack.ask(liar.peer);
          clock.advance(5_000); // the mesh asks again
          return await accepts(() => fetchGenesis(wren, liar.peer, { run: RULES.run }), "TransportError");
        },
      };
    },
    async end() {
      assert.deepEqual(await wren.request(liar.peer, "genesis/1", new Uint8Array()), answer, "they still talk");
      assert.deepEqual(await liar.request(wren.peer, "genesis/1", new Uint8Array()), GENESIS);
      dialBack[Symbol.dispose]();
      twins[Symbol.dispose]();
      await mesh[Symbol.asyncDispose]();
      await wren[Symbol.asyncDispose]();
      await liar[Symbol.asyncDispose]();
    },
  };
}

function requestOf(protocol: string, digest: Digest, chance: Chance): Uint8Array<ArrayBuffer> {
  const blobs = encodeBlobRequest({ digest, piece: chance.happens(0.5) ? null : { start: 0, end: 1000 } });
  if (protocol === "blobs/2") return mutated(blobs, chance);
  if (protocol === "relay/1") {
    const to = new TextEncoder().encode(identity(chance.whole(0, 9)).peer);
    return mutated(new Uint8Array([to.length, ...to, ...blobs]), chance);
  }
  const sample = SAMPLES[protocol];
  if (sample instanceof Uint8Array) return mutated(sample, chance);
  return chance.happens(0.3) ? mutated(encode(sample), chance) : looseCbor(absurd(sample, chance), chance);
}

/** A stream that brings these bytes in pieces and ends. */
async function readAsFrame(bytes: Uint8Array, chance: Chance): Promise<void> {
  const stream = Object.assign(new EventTarget(), { readableEnded: false });
  const reading = readFrame(stream as unknown as Stream, { mostBytes: 1000, signal: new AbortController().signal });
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + chance.whole(1, 16)), data = bytes.subarray(at, end);
    stream.dispatchEvent(Object.assign(new Event("message"), { data }));
    at = end;
  }
  stream.dispatchEvent(new Event("end"));
  const frame = await reading;
  assert.ok(frame.length <= 1000);
}
