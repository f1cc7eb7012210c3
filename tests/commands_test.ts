/**
 * The command line as a user meets it: what works prints what it should, and what cannot work says what was found, what
 * was wanted and what to do, with the documented exit code, and harms nothing.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { formatTicket, parseTicket } from "../p2p/ticket.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { memoryFolder } from "../runtime/folder.ts";
import { diskFolder } from "../runtime/folder_disk.ts";
import { writeFolder } from "../runtime/model/huggingface.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { bytesTokenizer } from "../runtime/data/tokenizer.ts";
import { roundMetrics, runMetrics } from "./metrics_lines.ts";
import { starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

Deno.test("every command has help, and the program lists them all", async () => {
  const { out } = await starling(["--help"]);
  for (
    const name of [
      "demo",
      "init",
      "start",
      "join",
      "members",
      "status",
      "doctor",
      "sample",
      "eval",
      "export",
      "cbs",
      "tune",
      "compare",
      "devices",
      "profile",
      "inspect",
    ]
  ) {
    assert.match(out, new RegExp(`^  ${name} `, "m"));
    const help = await starling([name, "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`Usage: starling ${name}`));
  }
});

/** Arguments, the exit code, and what standard error must say. `{folder}` is a fresh folder. */
const REFUSALS: readonly (readonly [title: string, args: readonly string[], code: number, says: RegExp])[] = [
  ["an unknown command", ["sttart"], 2, /unknown command 'sttart'[\s\S]*Did you mean start\?/],
  ["an unknown flag", ["demo", "--minuets", "1"], 2, /unknown option '--minuets'[\s\S]*--minutes/],
  ["a flag of the wrong type", ["demo", "--peers", "two"], 2, /'two' is invalid.*whole number from 1 to 8/],
  ["a flag out of range", ["start", "{folder}", "--throttle", "0"], 2, /whole number from 1 to 100/],
  ["a run of a newer version", ["start", "{folder}/newer"], 4, /of version 2, newer than this program .*\(1\). Update/],
  ["an unknown preset", ["init", "{folder}/new", "--preset", "huge"], 2, /Allowed choices are demo, small, gpt2/],
  ["an unknown device", ["devices", "--device", "tpu"], 2, /Allowed choices are auto, webgpu, dawn/],
  [
    "a --peer that is no address",
    ["start", "{folder}/run", "--peer", "nonsense"],
    2,
    /--peer.*'nonsense' is invalid.*ends in a peer's id, like \/ip4\/.*'starling status <folder>' prints/,
  ],
  ["a --peer for doctor that names no peer", ["doctor", "--peer", "/ip4/127.0.0.1/tcp/9"], 2, /ends in a peer's id/],
  ["a folder without a run", ["start", "{folder}"], 4, /it has no run.json. Make a run with 'starling init/],
  ["data that is missing", ["init", "{folder}/new", "--data", "{folder}/none"], 4, /Cannot use '.*none' as text/],
  ["data that is empty", ["init", "{folder}/new", "--data", "{folder}/empty"], 4, /as text: .*; choose another/],
  [
    "text shorter than a window",
    ["init", "{folder}/new", "--data", "{folder}/short.txt"],
    4,
    /it has 12 tokens and .*needs at least 258/,
  ],
  ["a vocabulary for bytes", ["init", "{folder}/new", "--vocabulary", "999"], 4, /Choose --tokenizer bpe/],
  ["a text that is no ticket", ["join", "hello"], 4, /This is not a ticket: tickets are one word/],
  [
    "a ticket of a newer version",
    ["join", "star9abc"],
    4,
    /version 9, newer than this program understands \(1\). Update it/,
  ],
  ["a damaged ticket", ["join", `${ticket().slice(0, -9)}a`], 4, /damaged: its checksum is wrong/],
  [
    "nobody at the ticket's addresses",
    ["join", ticket(), "--folder", "{folder}/joined", "--no-mdns"],
    5,
    /no address led to a peer of it[\s\S]*127.0.0.1[\s\S]*fresh ticket/,
  ],
  ["a model folder without a model", ["eval", "{folder}", "--text", "{folder}/short.txt"], 4, /it has no config.json/],
  ["nothing to evaluate on", ["eval", "{folder}/model"], 2, /say on what, with --tokens <file> or --text <file>/],
  [
    "tokens that the model does not know",
    ["eval", "{folder}/model", "--tokens", "{folder}/wrong.u32"],
    2,
    /token 1 is 300 and the model knows 0 to 255/,
  ],
  ["half a token", ["eval", "{folder}/model", "--tokens", "{folder}/short.txt", "--device", "cpu"], 2, /token 0 is/],
  [
    "a model with a missing tensor",
    ["eval", "{folder}/lacking", "--text", "{folder}/short.txt"],
    4,
    /it has no tensor 'transformer.h.1.attn.c_attn.weight'/,
  ],
  ["a run nobody has trained", ["export", "{folder}/run"], 2, /no peer has finished a round/],
  [
    "metrics of a run that nobody has trained",
    ["compare", "{folder}/run"],
    4,
    /no peer has left a metrics.jsonl there/,
  ],
  ["metrics that are not there", ["compare", "{folder}/none"], 4, /it is not there. Give folders of runs or peers/],
  ["metrics that are none", ["compare", "{folder}/short.txt"], 4, /short.txt: no line of it says what its run is/],
  ["metrics without a round", ["compare", "{folder}/metrics/early.jsonl"], 4, /it has no round yet. Train first/],
  ["metrics of two runs in one file", ["compare", "{folder}/metrics/joined.jsonl"], 4, /lines of 2 runs. Give each/],
  [
    "one run twice",
    ["compare", "{folder}/metrics/small.jsonl", "{folder}/metrics/../metrics/small.jsonl"],
    2,
    /with itself: .*small.jsonl is given twice/,
  ],
  ["a plot that is no SVG", ["compare", "{folder}/metrics/small.jsonl", "--plot", "a.png"], 2, /must end in .svg/],
  ["a target of nothing", ["compare", "{folder}/metrics/small.jsonl", "--target", "0"], 2, /a number above 0/],
  ["nothing to compare", ["compare"], 2, /missing required argument 'runs'/],
  ["the average of a model", ["sample", "{folder}/model", "--ewa"], 2, /it is a model, and only a run has one/],
  ["a chain where no peer has run", ["inspect", "{folder}/run"], 2, /no peer has run there/],
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

Deno.test("run.json with wrong fields is refused with every field, what was found and what is wanted", async () => {
  await using place = await makePlace();
  const run = tinyRun();
  await Deno.writeTextFile(
    join(place.path, "run", "run.json"),
    JSON.stringify({ ...run, seed: "seven", colour: "red", model: { ...run.model, headCount: 3 } }),
  );
  const { code, err } = await starling(["start", join(place.path, "run")]);
  assert.equal(code, 4);
  assert.match(err, /'seed': .*expected (int|number).*found "seven"/);
  assert.match(err, /colour/);
  assert.match(err, /'model.width': must be a multiple of headCount \(3\)/);
});

Deno.test("eval counts each token but the first once, and prints the result as its last line", async () => {
  await using place = await makePlace();
  const tokens = Uint32Array.from({ length: 75 }, (_, i) => (i * 37) % 256); // contexts of 32: 32 + 32 + 10
  await Deno.writeFile(join(place.path, "tokens.u32"), new Uint8Array(tokens.buffer));
  const { code, out } = await starling([
    "eval",
    join(place.path, "model"),
    ...["--tokens", join(place.path, "tokens.u32"), "--device", "cpu", "--json"],
  ]);
  assert.equal(code, 0);
  const result = JSON.parse(out.trim().split("\n").at(-1)!);
  assert.equal(result.tokens, 74);
  assert.ok(Math.abs(result.loss - Math.log(256)) < 0.1, "a model that knows nothing guesses among 256");
  assert.ok(Math.abs(result.perplexity - Math.exp(result.loss)) < 1e-9);
});

Deno.test("sample gives the same text for the same seed, and another for another", async () => {
  await using place = await makePlace();
  const args = ["sample", join(place.path, "model"), "--prompt", "ab", "--tokens", "40", "--device", "cpu", "--seed"];
  const [first, again, other] = [
    await starling([...args, "5"]),
    await starling([...args, "5"]),
    await starling([...args, "6"]),
  ];
  assert.equal(first.code, 0, first.err);
  assert.ok(first.out.startsWith("ab"));
  assert.equal(first.out, again.out);
  assert.notEqual(first.out, other.out);
});

Deno.test("compare sets runs side by side, says what differs, and draws", async () => {
  await using place = await makePlace();
  const [small, large] = ["small", "large"].map((name) => join(place.path, "metrics", `${name}.jsonl`));
  const plot = join(place.path, "plot.svg");
  const { code, out, err } = await starling(["compare", small!, large!, "--plot", plot]);
  assert.equal(code, 0, err);
  const row = (name: string) => out.split("\n").find((text) => text.trim().startsWith(name))?.trim().split(/ {2,}/);
  assert.deepEqual(row("policy"), ["policy", "constant", "norm-test"]);
  assert.deepEqual(row("batch"), ["batch", "12", "12 → 96"]);
  assert.deepEqual(row("training.batch"), ["training.batch", "12", "48"]);
  assert.deepEqual(row("held-out loss, best"), ["held-out loss, best", "2.0000", "2.5000"]);
  assert.deepEqual(row("to held-out loss 2.5000: tokens"), ["to held-out loss 2.5000: tokens", "1.00 k", "1.50 k"]);
  assert.equal(row("seed"), undefined, "what is the same is not shown");
  assert.match(err, /warning: small.jsonl and large.jsonl have different data or tokenizers/);
  assert.match(await Deno.readTextFile(plot), /^<svg [^]*Held-out loss by tokens/);

  const asJson = await starling(["compare", small!, large!, "--target", "2.2", "--json"]);
  const { target, runs } = JSON.parse(asJson.out);
  assert.equal(target, 2.2);
  assert.deepEqual(runs.map(({ reached }: { reached: unknown }) => reached), [
    { tokens: 2000, elapsedMs: 30_000, rounds: 3 },
    null,
  ]);
});

Deno.test("compare finds the metrics of the peer in a run's folder that knows most of the run", async () => {
  await using place = await makePlace();
  const run = join(place.path, "run");
  for (const [name, file] of [["wren", "small"], ["finch", "large"], ["robin", "early"]]) {
    await Deno.mkdir(join(run, name!));
    await Deno.copyFile(join(place.path, "metrics", `${file}.jsonl`), join(run, name!, "metrics.jsonl"));
  }
  const { out } = await starling(["compare", run, "--json"]);
  const { runs } = JSON.parse(out);
  assert.deepEqual(runs.map(({ label, tokens }: Record<string, unknown>) => [label, tokens]), [["run", 4500]]);
});

Deno.test("a private run without its key says so and how to get it", async () => {
  await using place = await makePlace();
  await Deno.remove(join(place.path, "run", "network.key"));
  const { code, err } = await starling(["start", join(place.path, "run")]);
  assert.equal(code, 4);
  assert.match(err, /it is private and .*network.key is missing. Join again with a ticket/);
});

/** A ticket of a run that nobody runs. */
function ticket(): string {
  const peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
  const text = formatTicket({
    run: "ab".repeat(32) as Digest,
    name: "nobody",
    addresses: [`/ip4/127.0.0.1/tcp/9/p2p/${peer}`],
    networkKey: new Uint8Array(32),
  });
  assert.ok(parseTicket(text).ok);
  return text;
}

/** A folder with some of everything; gone when disposed. */
async function makePlace(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "starling-commands-" });
  const run = tinyRun(), { model } = run;
  await Deno.mkdir(join(path, "run"));
  await Deno.mkdir(join(path, "empty"));
  await Deno.writeTextFile(join(path, "run", "run.json"), JSON.stringify(run));
  await Deno.writeTextFile(join(path, "run", "network.key"), `${"ab".repeat(32)}\n`);
  await Deno.mkdir(join(path, "newer"));
  await Deno.writeTextFile(join(path, "newer", "run.json"), JSON.stringify({ ...run, version: 2 }));
  await Deno.writeTextFile(join(path, "short.txt"), "hello world\n");
  await Deno.writeFile(join(path, "wrong.u32"), new Uint8Array(Uint32Array.of(1, 300, 2).buffer));
  const weights = initialWeights(model, 1), tokenizerJson = bytesTokenizer().toJson();
  await writeFolder(diskFolder(join(path, "model")), { config: model, weights, tokenizerJson });
  await lackATensor(path, weights);
  await leaveMetrics(join(path, "metrics"));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Metrics of two runs of three rounds, of one that has just begun, and two runs in one file. */
async function leaveMetrics(path: string): Promise<void> {
  const { training } = tinyRun(), losses = [3, 2.5, 2];
  const small = [
    runMetrics(),
    ...losses.map((heldOutLoss, i) => roundMetrics(i + 1, { heldOutLoss, heldOutTokens: i * 1000 })),
  ];
  const large = [
    runMetrics({
      batching: { policy: "norm-test" },
      training: { ...training, batch: 48 },
      dataDigest: "fedcba9876543210",
    }),
    ...losses.slice(0, 2).map((heldOutLoss, i) =>
      roundMetrics(i + 1, { heldOutLoss, heldOutTokens: i * 1500, tokens: (i + 1) * 1500 })
    ),
    roundMetrics(3, { tokens: 4500, requestedBatch: 96 }),
  ];
  const files = { small, large, early: [runMetrics()], joined: [runMetrics({ run: "other" }), ...small] };
  await Deno.mkdir(path);
  for (const [name, lines] of Object.entries(files)) {
    await Deno.writeTextFile(join(path, `${name}.jsonl`), lines.map((text) => `${JSON.stringify(text)}\n`).join(""));
  }
}

/** A folder whose config asks for one layer more than its weights have. */
async function lackATensor(path: string, weights: Float32Array<ArrayBuffer>): Promise<void> {
  const { model } = tinyRun(), folder = memoryFolder();
  await writeFolder(folder, {
    config: { ...model, layerCount: 1 },
    weights: initialWeights({ ...model, layerCount: 1 }, 1),
    tokenizerJson: null,
  });
  const config = memoryFolder();
  await writeFolder(config, { config: model, weights, tokenizerJson: null });
  await Deno.mkdir(join(path, "lacking"));
  await Deno.writeFile(join(path, "lacking", "model.safetensors"), folder.files.get("model.safetensors")!);
  await Deno.writeFile(join(path, "lacking", "config.json"), config.files.get("config.json")!);
}
