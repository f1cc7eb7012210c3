/**
 * Does training disturb the network's thread? How late a timer of the main thread comes while the demo's model is
 * trained: first by a learner alone, which trains, cuts, folds and evaluates in its own threads, then by a whole peer
 * with libp2p, which meets a second one in another process.
 * @module
 */
import { startChild } from "../cli/child.ts";
import { createRun } from "../cli/init.ts";
import { identityFromSeed } from "../p2p/identity.ts";
import { contentIn } from "../p2p/learner.ts";
import { runIdOf } from "../p2p/genesis.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { openDiskBlobStore } from "../p2p/store/disk.ts";
import { openDiskJournal } from "../p2p/store/disk_journal.ts";
import { genesisBytes } from "../runtime/config.ts";
import { openLearner } from "../runtime/learner.ts";
import { startPeer } from "../runtime/peer.ts";
import { presets } from "../runtime/presets.ts";
import { openRunFolder } from "../runtime/run_folder.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import type { Bench, BenchLine } from "./line.ts";
import { watchLoop } from "./loop_lag.ts";

const INT8 = { codec: "int8", kept: 4096 } as const;
const BOX_MS = 2000, BOXES = 3;
/** Rounds of the peer that are watched, from the first whose work counts; and when it is given up. */
const ROUNDS = 4, LONGEST_MS = 180_000;

export const lagBench: Bench = {
  name: "lag",
  question: "how late do timers of the main thread come while the demo's model is trained?",
  async *run() {
    yield await learnerAlone();
    yield await peerWithLibp2p();
  },
};

async function learnerAlone(): Promise<BenchLine> {
  const { model, training, outer } = presets.demo;
  await using learner = await openLearner({ config: tinyRun({ model, training, outer }), device: "cpu" });
  let weights = await learner.initial(), tokens = 0;
  const watch = watchLoop();
  for (let round = 1; round <= BOXES; round++) {
    const ranges = [{ start: round * 10_000, end: (round + 1) * 10_000 }];
    const measure = { every: 20, sketch: false };
    learner.train({
      round,
      weights,
      lineage: { at: 0, from: [0], hosted: [0], leading: 0 },
      tokens,
      ranges,
      batch: 8,
      globalBatch: 8,
      measure,
      encoding: INT8,
      roundMs: BOX_MS,
    });
    await learner.evaluate(weights, 0);
    await new Promise((resolve) => setTimeout(resolve, BOX_MS));
    const contribution = await learner.contribute();
    if (contribution.bytes === null) continue;
    const parts = [{ content: contentIn(contribution.bytes), at: 0, weight: 1 }];
    weights = (await learner.fold({ parent: weights, parts, joined: null })).digest;
    tokens += contribution.tokens;
  }
  return { name: "a learner alone", device: learner.device, tokens, ...watch.stop() };
}

async function peerWithLibp2p(): Promise<BenchLine> {
  const folder = await Deno.makeTempDir({ prefix: "starling-lag-" }), runFolder = `${folder}/run`;
  await createRun({ folder: runFolder, name: "lag", preset: "demo", membership: "private", seed: 1 });
  const { config, networkKey } = await openRunFolder(runFolder);
  const met = Promise.withResolvers<readonly string[]>();
  const local = ["--device", "cpu", "--threads", "1", "--listen", "127.0.0.1", "--no-mdns"];
  try {
    await using other = startChild({
      args: ["start", runFolder, ...local],
      onEvent: (event) => event.kind === "started" && met.resolve(event.addresses),
    });
    other.ended.then(() => met.reject(new Error(`Cannot measure: the other peer ended: ${other.complaint()}`)));
    const addresses = await met.promise, identity = identityFromSeed(new Uint8Array(32).fill(1));
    await using transport = await startLibp2p({
      identity,
      run: await runIdOf(genesisBytes(config)),
      listen: ["/ip4/127.0.0.1/tcp/0"],
      networkKey,
    });
    await using journal = await openDiskJournal(`${folder}/journal`);
    let watch: ReturnType<typeof watchLoop> | undefined, tokens = 0, rounds = 0;
    const over = Promise.withResolvers<void>();
    const blobs = await openDiskBlobStore(`${folder}/blobs`);
    const common = { config, name: "watched", identity, transport, blobs, journal, networkKey, addresses };
    await using peer = await startPeer({
      ...common,
      device: "cpu",
      threads: 1,
      onEvent(event) {
        if (event.kind !== "round" || !event.members.some((member) => member.peer === identity.peer)) return;
        watch ??= watchLoop();
        tokens += event.members.reduce((sum, member) => sum + member.tokens, 0);
        if (++rounds > ROUNDS) over.resolve();
      },
    });
    peer.ended.then(() => over.reject(new Error("Cannot measure: the peer ended")));
    const timer = setTimeout(() => over.reject(new Error("Cannot measure: no rounds with both peers")), LONGEST_MS);
    await over.promise;
    clearTimeout(timer);
    return {
      name: "a peer with libp2p, beside another",
      device: "cpu, 1 thread",
      rounds: ROUNDS,
      tokens,
      ...watch!.stop(),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
