import { strict as assert } from "node:assert";
import { identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { openStubLearner, type StubLearner } from "../tests/stub_learner.ts";
import { contextLength, roundOf, startStubPeer } from "../tests/stub_peer.ts";
import type { HostEnd } from "./host_event.ts";
import { LearnerStoppedError } from "./learner.ts";
import { MemoryNetwork } from "./net/memory.ts";
import { isOwnFailure, whyRefused, whyWithout } from "./own_failure.ts";
import { StorageError } from "./store/storage_error.ts";

const broken = new StorageError("it is on fire"), full = new StorageError("it is full", { isFull: true });
const stopped = new LearnerStoppedError("A thread has stopped"), unfit = new Error("it does not fit");

Deno.test("our own failures are those of disk and learner, and no reason to answer with", () => {
  for (const error of [broken, full, stopped]) {
    assert.ok(isOwnFailure(error));
    assert.throws(() => whyRefused(error), error);
  }
  assert.equal(isOwnFailure(unfit), false);
  assert.equal(whyRefused(unfit), "it does not fit");
});

Deno.test("only a full disk is a reason to go without what nobody needs", () => {
  assert.equal(whyWithout(full), "it is full");
  for (const error of [broken, stopped, unfit]) assert.throws(() => whyWithout(error), error);
});

/** A host alone whose learner fails at its third fold, and what came of it after some rounds. */
async function afterFailedFold(error: Error) {
  const clock = new ManualClock(), honest = openStubLearner({ contextLength }), ends: HostEnd[] = [];
  let folds = 0;
  const learner: StubLearner = {
    ...honest,
    fold: (order) => ++folds < 3 || folds > 4 ? honest.fold(order) : Promise.reject(error), // again with its weights loaded
  };
  const peer = await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), { clock, learner });
  peer.host.ended.then((end) => ends.push(end));
  await clock.runUntil("it ended or went on", () => ends.length > 0 || roundOf(peer) >= 6);
  const [end = null] = ends, told = peer.events.flatMap((event) => event.kind === "waiting" ? [event.reason] : []);
  await peer.host.close();
  return { end, told };
}

Deno.test("a fold that the learner refuses is tried again, and one of a learner that has stopped ends the host", async () => {
  const refused = await afterFailedFold(unfit);
  assert.equal(refused.end, null);
  assert.ok(refused.told.some((reason) => reason.endsWith("could not be folded: it does not fit")), `${refused.told}`);
  assert.deepEqual((await afterFailedFold(stopped)).end, { kind: "failed", error: stopped });
});
