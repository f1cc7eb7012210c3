import { strict as assert } from "node:assert";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { openScene } from "../../tests/training_scene.ts";
import { openPlainDevice } from "../device/plain.ts";
import { OwnArenas } from "./own_arenas.ts";

Deno.test("weights of a cut are spared while they are in use, and used again after", () => {
  const arenas = new OwnArenas(), [first, second, anchor] = [1, 2, 3].map((value) => Float32Array.of(value));
  assert.deepEqual(arenas.spare(anchor!), {});
  arenas.keep(first!);
  assert.deepEqual(arenas.spare(first!), {});
  assert.equal(arenas.spare(anchor!).weights, first);
  arenas.keep(second!);
  assert.equal(arenas.spare(second!).weights, first);
  arenas.keep(first!);
  assert.equal(arenas.spare(first!).weights, second);
});

for (const codec of ["int8", "f32", "topk"] as const) {
  Deno.test(`rounds read the weights that they cut at into two arenas in turn, and contribute as if into new ones: ${codec}`, async () => {
    const arenas = new Set<Float32Array>();
    const run = async (isSpied: boolean) => {
      const plain = openPlainDevice(), said: Uint8Array[] = [];
      const device: typeof plain = {
        ...plain,
        async read(spans, into) {
          const found = await plain.read(spans, isSpied ? into : undefined);
          for (const [i, { buffer }] of spans.entries()) if (buffer.label === "parameters") arenas.add(found[i]!);
          return found;
        },
      };
      await using peer = openScene({ codec, devices: () => [device] });
      let weights: Float32Array = peer.weights;
      for (let round = 1; round <= 6; round++) {
        const isAnchored = round % 2 === 1; // the other cuts come before another anchor
        if (isAnchored) await peer.training.train(peer.order(round, { ranges: [{ start: 0, end: 960 }] }), weights);
        await peer.stepped(1);
        const contribution = await peer.training.contribute();
        said.push(contribution.bytes!);
        weights = peer.foldInto(weights, [contribution]);
        await peer.training.settle(round, "counted");
      }
      return await Promise.all(said.map(blobDigest)); // afterwards: steps are made while one waits
    };
    const reused = await run(true), spied = arenas.size;
    arenas.clear();
    assert.deepEqual(await run(false), reused);
    assert.deepEqual([spied, arenas.size], [2, 6]);
  });
}
