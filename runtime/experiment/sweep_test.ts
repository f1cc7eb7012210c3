import { strict as assert } from "node:assert";
import { aloneTrial, flockTrial, planOf, smallModel, sweepIn } from "../../tests/experiment_scene.ts";
import { limitedDevice } from "../../tests/training_scene.ts";
import { memoryFolder } from "../folder.ts";
import { planTrainer } from "../train/trainer_plan.ts";
import { lossAt } from "./curve.ts";
import { SweepError } from "./sweep_file.ts";

for (const trial of [aloneTrial, flockTrial]) {
  Deno.test(`a trial ${trial.kind} that is interrupted again and again ends with the same bits`, async () => {
    const whole = await sweepIn(memoryFolder(), planOf([trial]));
    assert.ok(whole.isComplete);
    const folder = memoryFolder(), seen = new Set<number>();
    let result, interruptions = 0;
    for (; result === undefined && interruptions < 50; interruptions++) {
      const before = seen.size;
      const { results } = await sweepIn(folder, planOf([trial]), {
        stopAt(event) {
          if (event.kind === "progress") seen.add(event.steps);
          return seen.size >= before + 2;
        },
      });
      result = results.get(trial.id);
    }
    assert.ok(interruptions > 3, `it was interrupted ${interruptions} times`);
    assert.deepEqual(result, whole.results.get(trial.id));
  });
}

for (const trial of [aloneTrial, flockTrial]) {
  Deno.test(`a trial ${trial.kind} lets the rest of the program turn every 50 ms, so that it hears of an interruption`, async () => {
    let ms = 0, turns = 0;
    const clock = {
      now: () => ms += 10,
      sleep: () => {
        turns++;
        return Promise.resolve();
      },
    };
    const { results } = await sweepIn(memoryFolder(), planOf([trial]), { clock });
    const { steps } = results.get(trial.id)!;
    assert.ok(turns >= steps / 5, `${turns} turns in ${steps} steps of at least 10 ms`);
  });
}

Deno.test("a sweep skips what is finished, in the order of its plan", async () => {
  const folder = memoryFolder(), trials = ["one", "two", "three"].map((id, seed) => ({ ...aloneTrial, id, seed }));
  const first = await sweepIn(folder, planOf(trials), { stopAt: ({ kind }) => kind === "result" });
  assert.equal(first.isComplete, false);
  assert.deepEqual([...first.results.keys()], ["one"]);
  const { events, results, isComplete } = await sweepIn(folder, planOf(trials));
  assert.ok(isComplete);
  assert.deepEqual(
    events.flatMap((event) => event.kind === "trial" ? [[event.trial.id, event.number, event.of]] : []),
    [
      ["two", 2, 3],
      ["three", 3, 3],
    ],
  );
  assert.deepEqual(results.get("one"), first.results.get("one"));
});

Deno.test("a trial ends when its target is reached, when its tokens are spent, and when it has diverged", async () => {
  const trials = [
    { ...aloneTrial, id: "easy", target: 2 },
    { ...aloneTrial, id: "impossible", target: 0.01 },
    { ...aloneTrial, id: "wild", rate: 30, clip: 0, warmupSteps: 0, mostTokens: 100 * 64 },
  ];
  const { results } = await sweepIn(memoryFolder(), planOf(trials));
  const [easy, impossible, wild] = trials.map(({ id }) => results.get(id)!);
  assert.equal(easy!.outcome, "reached");
  assert.ok(easy!.steps < 40 && easy!.loss! <= 2 && easy!.curve.at(-2)![1] > 2, "it ends at once");
  assert.equal(impossible!.outcome, "spent");
  assert.deepEqual([impossible!.steps, impossible!.tokens], [40, 2560]);
  assert.equal(wild!.outcome, "diverged");
  assert.ok(wild!.steps < 100);
});

Deno.test("a flock of one peer that passes on everything learns what one model alone does", async () => {
  const steps = 24, mostTokens = 64 * steps;
  const alone = { ...aloneTrial, averageShare: 0, mostTokens };
  const one = {
    ...flockTrial,
    peers: 1,
    batch: 4,
    innerSteps: 4,
    mostTokens,
    training: {
      ...flockTrial.training,
      ...{ warmupTokens: 5 * 64, weightDecay: 0, batch: 4, targetTokens: mostTokens },
    },
    outer: { ...flockTrial.outer, codec: "f32" as const, learningRate: 1, momentum: 0 },
  };
  const { results } = await sweepIn(memoryFolder(), planOf([alone, one]));
  const curve = results.get("alone")!.curve, folded = results.get("flock")!.curve;
  assert.ok(folded.length > 4);
  for (const [steps, loss] of folded.filter(([steps]) => curve.some(([at]) => at === steps))) {
    // θ − (θ − w) rounds each weight by one ulp a round.
    assert.ok(Math.abs(loss - lossAt(curve, steps)!) < 1e-4, `step ${steps}: ${loss} and ${lossAt(curve, steps)}`);
  }
});

Deno.test("peers of a flock learn together more than one of them alone, and codecs cost little", async () => {
  const rounds = 8, mostTokens = (peers: number) => rounds * 4 * 2 * 16 * peers;
  const at = (id: string, peers: number, codec: "f32" | "int8") => ({
    ...flockTrial,
    ...{ id, peers, mostTokens: mostTokens(peers) },
    outer: { ...flockTrial.outer, codec, learningRate: 1, momentum: 0 },
  });
  const { results } = await sweepIn(
    memoryFolder(),
    planOf([at("one", 1, "f32"), at("four", 4, "f32"), at("coded", 4, "int8")]),
  );
  const [one, four, coded] = ["one", "four", "coded"].map((id) => results.get(id)!.loss!);
  assert.ok(four! < one!, `${four} < ${one}`);
  assert.ok(Math.abs(coded! - four!) < 0.01, `${coded} and ${four}`);
});

Deno.test("a sweep of another question is refused with what differs, and nothing is written", async () => {
  const folder = memoryFolder("sweeps");
  await sweepIn(folder, planOf([aloneTrial]));
  const before = folder.files.get("sweep.jsonl");
  const other = planOf([{ ...aloneTrial, model: { ...smallModel, width: 8 } }]);
  await assert.rejects(() => sweepIn(folder, { ...other, question: { experiment: "test", width: 8 } }), (error) => {
    assert.ok(error instanceof SweepError);
    assert.match(error.message, /sweeps\/sweep.jsonl: it answers another question/);
    assert.match(error.message, /width: found nothing, asked 8/);
    assert.match(error.message, /its own folder with --folder/);
    return true;
  });
  assert.equal(folder.files.get("sweep.jsonl"), before);
});

/** What is done to a sweep's file, and what must be said. */
const DAMAGES: readonly (readonly [title: string, damage: (text: string) => string, says: RegExp])[] = [
  ["no sweep at all", () => "hello\n", /first line is not that of a sweep. Choose another --folder/],
  ["an empty file", () => "", /first line is not that of a sweep/],
  [
    "a newer version",
    (text) => text.replace('"version":1', '"version":2'),
    /version 2 and this program reads 1. Update it/,
  ],
  ["half a line", (text) => text.slice(0, -40), /line 2 is damaged .*Remove that line: its trial is then done again/],
  ["a result of a wrong form", (text) => text.replace('"steps":40', '"steps":"many"'), /line 2 is damaged/],
];
for (const [title, damage, says] of DAMAGES) {
  Deno.test(`a sweep's file with ${title} is refused with its place and a remedy`, async () => {
    const folder = memoryFolder();
    await sweepIn(folder, planOf([aloneTrial]));
    const text = new TextDecoder().decode(folder.files.get("sweep.jsonl"));
    await folder.write("sweep.jsonl", [new TextEncoder().encode(damage(text))]);
    await assert.rejects(() => sweepIn(folder, planOf([aloneTrial])), { name: "SweepError", message: says });
  });
}

Deno.test("a damaged checkpoint is told, and its trial begins anew to the same result", async () => {
  const folder = memoryFolder(), plan = planOf([aloneTrial]);
  const whole = await sweepIn(memoryFolder(), plan);
  await sweepIn(folder, plan, { stopAt: (event) => event.kind === "progress" && event.steps > 10 });
  const bytes = folder.files.get("trial.checkpoint")!;
  bytes[bytes.length >> 1]! ^= 1;
  const { events, results } = await sweepIn(folder, plan);
  const warning = events.find((event) => event.kind === "warning");
  assert.match(warning!.message, /its checksum does not fit. It begins anew/);
  assert.deepEqual(results.get("alone"), whole.results.get("alone"));
});

Deno.test("a device with little memory takes smaller micro-batches, and learns the same but for rounding", async () => {
  const plan = planOf([{ ...aloneTrial, batch: 8, mostTokens: 20 * 128 }]);
  const roomy = await sweepIn(memoryFolder(), plan);
  const limit = planTrainer({ model: smallModel, microBatch: 2, outer: false }).plannedBytes;
  const { warnings, results } = await sweepIn(memoryFolder(), plan, { device: limitedDevice(limit) });
  assert.deepEqual(warnings.map((text) => /goes on with (\d+) sequences/.exec(text)![1]), ["4", "2"]);
  const [small, large] = [results, roomy.results].map((found) => found.get("alone")!.loss!);
  assert.ok(Math.abs(small! - large!) < 1e-4, `${small} and ${large}`);
});

Deno.test("a device on which not one sequence fits is refused with what it lacks and what to choose", async () => {
  await assert.rejects(() => sweepIn(memoryFolder(), planOf([aloneTrial]), { device: limitedDevice(1000) }), {
    name: "DeviceMemoryError",
    message: /one sequence of it needs .* Choose another --device, or a smaller model with --proxy/,
  });
});
