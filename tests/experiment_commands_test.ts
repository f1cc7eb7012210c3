/**
 * `starling cbs` and `starling tune` as a user meets them: what works ends with a report, a picture and files that are
 * gone on with; what cannot work says what was found, what was wanted and what to do.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { parseRunConfig, type RunConfig } from "../runtime/config.ts";
import { smallModel } from "./experiment_scene.ts";
import { starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

const LOCAL = ["--device", "cpu", "--threads", "1"];
const CBS = ["--batches", "2,4,8,16", "--reference", "2", "--tokens", "6000", ...LOCAL, "--json"];
const TUNE = [
  ...["--tokens", "4096", "--peers", "2", "--batch", "8", "--steps", "4", "--rates", "1,2", "--outer-rates", "1"],
  ...["--momenta", "0,0.5", "--proxy", "1", ...LOCAL, "--json"],
];

Deno.test("cbs measures, keeps what it did, goes on after Ctrl+C, and does nothing twice", async () => {
  await using place = await makePlace();
  const run = join(place.path, "run");
  const stopped = await interruptedAt("result", ["cbs", run, ...CBS]);
  assert.equal(stopped.code, 0);
  assert.equal(stopped.events.at(-1)!["isComplete"], false);

  const { code, events } = await lines(["cbs", run, ...CBS]);
  assert.equal(code, 0);
  const done = events.at(-1)!, [answer] = done["answers"] as [{ rows: { steps: number | null }[]; critical: object }];
  assert.equal(done["isComplete"], true);
  assert.ok(answer.rows.length === 4 && answer.rows.every(({ steps }) => steps! > 0));
  assert.ok(answer.critical !== null);
  const results = (some: Lines["events"]) => some.filter(({ kind }) => kind === "result").length;
  assert.equal(results(stopped.events) + results(events), 4, "each trial was done once");
  assert.match(await Deno.readTextFile(join(run, "cbs", "cbs.svg")), /^<svg [\s\S]*<\/svg>\n$/);

  const again = await lines(["cbs", run, ...CBS]);
  assert.equal(results(again.events), 0);
  assert.deepEqual(again.events.at(-1), done);

  const other = await starling(["cbs", run, ...CBS, "--seeds", "2"]);
  assert.equal(other.code, 4);
  assert.match(other.err, /it answers another question.\n {2}seeds: found 1, asked 2\nAsk as before, or .* --folder/);
});

Deno.test("a shared sweep is done by its owner and a helper, and all results are in the owner's file", async () => {
  await using place = await makePlace();
  const run = join(place.path, "run"), local = ["--listen", "127.0.0.1"];
  const helping = Promise.withResolvers<Lines>();
  const owner = await watched(
    ["cbs", run, ...CBS, "--tokens", "80000", "--seeds", "3", "--share", ...local], // longer than a helper takes to come
    (event) => {
      if (event["kind"] !== "shared") return;
      helping.resolve(lines(["cbs", "--join", String(event["ticket"]), ...LOCAL, ...local, "--json"]));
    },
  );
  const helper = await helping.promise, results = owner.events.filter(({ kind }) => kind === "result");
  assert.deepEqual([owner.code, helper.code], [0, 0]);
  assert.equal(owner.events.at(-1)!["isComplete"], true);
  assert.equal(results.length, 3 * 4);
  const brought = helper.events.filter(({ kind }) => kind === "result");
  assert.ok(brought.length > 0, "the helper brought something");
  const text = await Deno.readTextFile(join(run, "cbs", "cbs.jsonl"));
  for (const { result } of results) assert.ok(text.includes(`"trial":"${(result as { trial: string }).trial}"`));
});

Deno.test("tune ranks what it tried and suggests a run.json beside it, which it never overwrites", async () => {
  await using place = await makePlace();
  const run = join(place.path, "run"), folder = join(run, "tune");
  await Deno.mkdir(folder);
  await Deno.writeTextFile(join(folder, "suggested.json"), "mine");
  const { code, events } = await lines(["tune", run, ...TUNE]);
  assert.equal(code, 0);
  const done = events.at(-1)!, rows = done["rows"] as { loss: number }[];
  assert.equal(rows.length, 4);
  assert.ok(rows.every(({ loss }, i) => i === 0 || loss >= rows[i - 1]!.loss));
  assert.equal(done["suggestion"], join(folder, "suggested-2.json"));
  assert.equal(await Deno.readTextFile(join(folder, "suggested.json")), "mine");
  const suggested = parseRunConfig(await Deno.readTextFile(join(folder, "suggested-2.json")));
  assert.equal(suggested.training.batch, 8);
  assert.match(await Deno.readTextFile(join(folder, "suggested-2.md")), /`training.batch`: 6 → 8/);

  const again = await lines(["tune", run, ...TUNE]);
  assert.equal(again.events.at(-1)!["suggestion"], join(folder, "suggested-2.json"), "the same is not written again");
});

/** Arguments, the exit code, and what standard error must say. `{folder}` is a fresh folder. */
const REFUSALS: readonly (readonly [title: string, args: readonly string[], code: number, says: RegExp])[] = [
  ["cbs of nothing", ["cbs"], 2, /say of which run, by its folder, or whom to help, with --join/],
  ["helping and asking at once", ["cbs", "{folder}/run", "--join", "star1abc"], 2, /at once: give one of them/],
  ["help with what is no ticket", ["tune", "--join", "hello"], 4, /This is not a ticket/],
  ["cbs of a folder without a run", ["cbs", "{folder}"], 4, /it has no run.json/],
  ["batches that are no numbers", ["cbs", "{folder}/run", "--batches", "1,two"], 2, /whole number from 1/],
  [
    "a ladder of one batch",
    ["cbs", "{folder}/run", "--batches", "4", "--reference", "4"],
    2,
    /one batch size: give more/,
  ],
  ["values of nothing", ["cbs", "{folder}/run", "--values", "1,2"], 2, /--values alone: say what .* --vary/],
  [
    "something that cannot be varied",
    ["cbs", "{folder}/run", "--vary", "colour"],
    2,
    /Allowed choices are data, depth, width/,
  ],
  [
    "data varied to one target",
    ["cbs", "{folder}/run", "--vary", "data", "--target", "2"],
    2,
    /to a given --target.*Leave it out/,
  ],
  [
    "too few tokens for a target",
    ["cbs", "{folder}/run", "--tokens", "100"],
    2,
    /less than 20 steps of the reference.*more --tokens/,
  ],
  [
    "a model of an impossible size",
    ["cbs", "{folder}/run", "--vary", "depth", "--values", "1,999"],
    2,
    /its layerCount .*--values/,
  ],
  ["a proxy larger than the model", ["cbs", "{folder}/run", "--proxy", "2"], 2, /above 0 and at most 1/],
  [
    "a damaged sweep",
    ["cbs", "{folder}/run", ...CBS.slice(0, -1), "--folder", "{folder}/damaged"],
    4,
    /cbs.jsonl: its first line is not that of a sweep. Choose another --folder/,
  ],
  ["a momentum that is none", ["tune", "{folder}/run", "--momenta", "0,1.5"], 2, /--momenta 1.5: at most 0.99/],
  ["an outer rate too high", ["tune", "{folder}/run", "--outer-rates", "3"], 2, /--outer-rates 3: at most 2/],
  [
    "outer rates with error feedback",
    ["tune", "{folder}/thin", "--outer-rates", "0.5,1"],
    2,
    /--outer-rates 0.5: with the codec auto it must be 1.*outer.codec int8/,
  ],
  [
    "a batch that peers cannot share",
    ["tune", "{folder}/run", "--batch", "2"],
    2,
    /a batch of 2 among 4 peers.*--batch/,
  ],
  ["trials of no rounds", ["tune", "{folder}/run", "--tokens", "100"], 2, /less than 2 rounds.*--tokens/],
];
for (const [title, args, wantedCode, says] of REFUSALS) {
  Deno.test(`the program refuses ${title}`, async () => {
    await using place = await makePlace();
    const { code, err } = await starling(args.map((text) => text.replaceAll("{folder}", place.path)));
    assert.match(err, says);
    assert.equal(code, wantedCode, err);
    assert.doesNotMatch(err, /at file:|Stack/, "an expected error needs no stack");
  });
}

interface Lines {
  readonly code: number;
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

async function lines(args: readonly string[]): Promise<Lines> {
  const { code, out, err } = await starling(args);
  assert.equal(err, "", "with --json nothing else is said");
  return { code, events: parsed(out) };
}

/** Runs a command and presses Ctrl+C as soon as it says something of a kind. */
function interruptedAt(kind: string, args: readonly string[]): Promise<Lines> {
  let isPressed = false;
  return watched(args, (event, child) => {
    if (event["kind"] !== kind || isPressed) return;
    isPressed = true;
    child.kill("SIGINT");
  });
}

/** Runs a command and looks at each line as it comes. */
async function watched(
  args: readonly string[],
  look: (event: Lines["events"][number], child: Deno.ChildProcess) => void,
): Promise<Lines> {
  const main = new URL("../cli/main.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", main, ...args],
    ...{ stdin: "null", stdout: "piped", stderr: "null", env: { NO_COLOR: "1" } },
  }).spawn();
  let out = "", seen = 0;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    out += text;
    const whole = out.split("\n").slice(0, -1);
    for (; seen < whole.length; seen++) look(JSON.parse(whole[seen]!), child);
  }
  return { code: (await child.status).code, events: parsed(out) };
}

function parsed(out: string): Lines["events"] {
  return out.trim().split("\n").map((text) => JSON.parse(text));
}

/** A folder with a run of a tiny model on a Markov source, and things that are wrong; gone when disposed. */
async function makePlace(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "starling-experiments-" });
  const base = tinyRun({ model: { ...smallModel, vocabularySize: 8 }, membership: "open" });
  const run: RunConfig = {
    ...base,
    data: { kind: "markov", seed: 5, symbolCount: 8, tokenCount: 40_000 },
    training: { ...base.training, batch: 6 },
  };
  const write = async (name: string, config: RunConfig) => {
    await Deno.mkdir(join(path, name));
    await Deno.writeTextFile(join(path, name, "run.json"), JSON.stringify(config));
  };
  await write("run", run);
  await write("thin", { ...run, outer: { ...run.outer, codec: "auto" } });
  await Deno.mkdir(join(path, "damaged"));
  await Deno.writeTextFile(join(path, "damaged", "cbs.jsonl"), "hello\n");
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
