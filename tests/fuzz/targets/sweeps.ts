/**
 * What a sweep reads: its file and its checkpoint, as a disk or a hand may leave them, and what helpers ask of its owner.
 * @module
 */
import { strict as assert } from "node:assert";
import type { RequestHandler } from "../../../p2p/net/transport.ts";
import type { PeerId } from "../../../p2p/sync/types.ts";
import { Dealer } from "../../../runtime/experiment/dealer.ts";
import { serveTrials } from "../../../runtime/experiment/sharing.ts";
import { readSweep, SweepFile } from "../../../runtime/experiment/sweep_file.ts";
import type { TrialResult } from "../../../runtime/experiment/trial.ts";
import { decodeTrialState, encodeTrialState } from "../../../runtime/experiment/trial_checkpoint.ts";
import { memoryFolder } from "../../../runtime/folder.ts";
import { aloneTrial, planOf } from "../../experiment_scene.ts";
import { mutated } from "../bytes.ts";
import { accepts, independent, type Probe, type Target } from "../target.ts";

const HELPER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN" as PeerId;
const result: TrialResult = {
  trial: aloneTrial.id,
  outcome: "spent",
  ...{ steps: 40, tokens: 2560, loss: 1.9, curve: [[0, 2.1], [40, 1.9]], noise: null, device: "cpu", trainedMs: 12 },
};
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const sweep = new TextEncoder().encode(
  [{ kind: "sweep", version: 1, question: { experiment: "test" } }, { kind: "result", ...result }]
    .map((line) => `${JSON.stringify(line)}\n`).join(""),
);
const arena = () => Float32Array.from({ length: 64 }, (_, i) => i / 64);
const checkpoint = await encodeTrialState({
  trial: aloneTrial,
  ...{ steps: 7, trainedMs: 5, curve: [[0, 2.1]], averagedAt: 7, optimizers: [{ stepCount: 7, beta2Product: 0.9 }] },
  arenas: [arena(), arena(), arena(), arena()],
});
const asks = [
  { kind: "take" },
  { kind: "keep", trial: aloneTrial.id },
  { kind: "give", result },
  { kind: "leave" },
].map(text);

export const sweepTargets: readonly Target[] = [
  independent("sweep file", 4, (chance) => {
    const bytes = mutated(sweep, chance);
    return {
      sizeBytes: bytes.length,
      run: () => accepts(() => readSweep(new TextDecoder().decode(bytes), "a file"), "SweepError"),
    };
  }),
  independent("trial checkpoint", 4, (chance) => {
    const bytes = chance.whole(0, 9) === 0 ? checkpoint : mutated(checkpoint, chance); // its checksum lets nothing else in
    return {
      sizeBytes: bytes.length,
      async run() {
        const decoded = await decodeTrialState(bytes);
        if (decoded.ok) assert.deepEqual(decoded.state.trial, aloneTrial);
        return decoded.ok;
      },
    };
  }),
  { name: "trial requests", share: 4, episode: 300, begin: beginOwner },
];

/** An owner of one trial, whom a helper asks; whatever it is asked, it answers or refuses. */
async function beginOwner(): Promise<Probe> {
  const plan = planOf([aloneTrial]), dealer = new Dealer(plan, await SweepFile.open(memoryFolder(), plan));
  let answer: RequestHandler | null = null;
  serveTrials({ onRequest: (_, handler) => void (answer = handler) }, {
    dealer,
    clock: { now: () => 0 },
    onEvent: () => {},
  });
  return {
    next(chance) {
      const bytes = mutated(chance.pick(asks), chance, chance.pick(asks));
      return {
        sizeBytes: bytes.length,
        run: async () => await answer!(HELPER, bytes) !== null,
      };
    },
  };
}
