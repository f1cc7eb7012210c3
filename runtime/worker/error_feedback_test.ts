import { strict as assert } from "node:assert";
import { sumOfSquares } from "../../tests/normal.ts";
import { openScene } from "../../tests/training_scene.ts";
import type { Encoding } from "../../p2p/sync/types.ts";
import { anyCodec } from "../state/codec/codecs.ts";

const sparse = (kept: number): Encoding => ({ codec: "topk", kept });
const INT8: Encoding = { codec: "int8", kept: 4096 };

type Scene = ReturnType<typeof openScene>;

async function residualOf(peer: Scene): Promise<Float32Array> {
  return (await peer.checkpoint())[0]!.moments.residual;
}

/** Trains a little in `round` and contributes; gives back what was sent. */
async function contribute(peer: Scene, round: number, encoding: Encoding): Promise<Float64Array> {
  await peer.training.train(peer.order(round, { encoding }), peer.weights);
  await peer.stepped(1);
  const { bytes } = await peer.training.contribute();
  const opened = anyCodec.open(bytes!, peer.weights.length), sent = new Float64Array(peer.weights.length);
  assert.ok(opened.ok);
  opened.vector.addTo(sent, { start: 0, share: 1 });
  return sent;
}

/** Two f32 vectors are one but for a rounding of values up to 1. */
function assertNear(found: ArrayLike<number>, wanted: ArrayLike<number>): void {
  for (let i = 0; i < wanted.length; i++) assert.ok(Math.abs(found[i]! - wanted[i]!) < 2 ** -23, `value ${i}`);
}

Deno.test("what a sparse contribution leaves out stays with its owner, counted or not", async () => {
  await using peer = openScene({ codec: "topk" });
  const sent = await contribute(peer, 1, sparse(64)), left = await residualOf(peer);
  assert.ok(sent.some((value) => value !== 0) && sumOfSquares(left) > sumOfSquares(sent));
  await peer.training.settle(1, "counted");
  assert.deepEqual(await residualOf(peer), left);
});

Deno.test("what a sparse contribution sent comes back if it was lost, though another was cut meanwhile", async () => {
  await using peer = openScene({ codec: "topk" });
  const first = await contribute(peer, 1, sparse(64));
  await contribute(peer, 2, sparse(128));
  const left = await residualOf(peer);
  await peer.training.settle(1, "lost");
  assertNear(await residualOf(peer), left.map((value, i) => value + first[i]!));
  await peer.training.settle(2, "counted");
  assertNear(await residualOf(peer), left.map((value, i) => value + first[i]!));
});

Deno.test("after two sparse contributions lost in a row a peer begins anew", async () => {
  await using peer = openScene({ codec: "topk" });
  for (const round of [1, 2]) {
    await contribute(peer, round, sparse(64));
    await peer.training.settle(round, "lost");
  }
  assert.ok((await residualOf(peer)).every((value) => value === 0));
});

Deno.test("a run that goes over to int8 sends at once what the sparse rounds left out", async () => {
  await using peer = openScene({ codec: "topk" });
  await contribute(peer, 1, sparse(64));
  await peer.training.settle(1, "counted");
  const left = await residualOf(peer), sent = await contribute(peer, 2, INT8);
  await peer.training.settle(2, "counted");
  const rest = await residualOf(peer);
  assert.ok(sumOfSquares(rest) < 1e-3 * sumOfSquares(left));
  // What was learned meanwhile is in it too: take the part of it that lies along what was left.
  const along = left.reduce((sum, value, i) => sum + value * sent[i]!, 0) / sumOfSquares(left);
  assert.ok(along > 0.9, `${along}`);
});

Deno.test("a density that this program does not have is refused with a reason", async () => {
  await using peer = openScene({ codec: "topk" });
  await peer.training.train(peer.order(1, { encoding: sparse(65) }), peer.weights);
  await peer.stepped(1);
  await assert.rejects(
    peer.training.contribute(),
    /Cannot keep 65 of 4096 values; this program keeps 64, 128, 256, 512/,
  );
});
