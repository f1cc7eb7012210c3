/**
 * Folders go both ways: what Starling exports, `transformers` loads with equal logits and token ids, and what
 * `transformers` saves, Starling reads.
 *
 * Needs a Python with torch and transformers: `python3`, or what STARLING_PYTHON names. Without, the tests are ignored
 * and say so.
 * @module
 */
import { strict as assert } from "node:assert";
import { bpeTokenizer } from "../../runtime/data/bpe.ts";
import { trainBpe } from "../../runtime/data/bpe_train.ts";
import { bytesTokenizer, type Tokenizer } from "../../runtime/data/tokenizer.ts";
import { openPlainDevice } from "../../runtime/device/plain.ts";
import { diskFolder } from "../../runtime/folder_disk.ts";
import { type ModelConfig, modelConfigSchema } from "../../runtime/model/config.ts";
import { readFolder, writeFolder } from "../../runtime/model/huggingface.ts";
import { initialWeights } from "../../runtime/model/parameters.ts";
import { inspect } from "../../runtime/train/inspect.ts";

/** Both compute in f32; the logits are of size 1 and sums of at most some hundred terms. */
const LOGIT_TOLERANCE = 1e-4;

const TEXT = "It's a naïve test, isn't it?  Two spaces\n\n\tand 🙂 what follows .\n";
const WINDOWS = [0, 1, 2].map((b) => Uint32Array.from({ length: 10 }, (_, t) => (b * 97 + t * 31) % 256));

const sizes = { contextLength: 16, layerCount: 2, headCount: 4, width: 24, vocabularySize: 256 };
const gpt2 = { ...sizes, family: "gpt2", keyValueHeadCount: 4, hiddenWidth: 60, tied: true, normEpsilon: 1e-4 };
const llama = { ...sizes, family: "llama", keyValueHeadCount: 2, hiddenWidth: 40, tied: false, ropeTheta: 500 };

interface Export {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
}

const bytes = bytesTokenizer(), bpe = bpeTokenizer(trainBpe([TEXT.repeat(3)], { vocabularySize: 290 }));
const EXPORTS: Record<string, Export> = {
  "gpt2 with bytes": { tokenizer: bytes, config: modelConfigSchema.parse(gpt2) },
  "llama with bpe": {
    tokenizer: bpe,
    config: modelConfigSchema.parse({ ...llama, vocabularySize: bpe.vocabularySize }),
  },
  "tied llama with bytes": { tokenizer: bytes, config: modelConfigSchema.parse({ ...llama, tied: true }) },
};

/** Configurations in the words of `transformers`. */
const theirs = { vocab_size: 256, bos_token_id: null, eos_token_id: null };
const llamaOfTheirs = {
  ...{ ...theirs, model_type: "llama", hidden_size: 24, intermediate_size: 40, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 16 },
};
const SAVES: Record<string, Record<string, unknown>> = {
  "gpt2 of transformers": { ...theirs, model_type: "gpt2", n_positions: 16, n_embd: 24, n_layer: 2, n_head: 4 },
  "llama of transformers": {
    ...llamaOfTheirs,
    rms_norm_eps: 1e-4,
    rope_parameters: { rope_type: "default", rope_theta: 500 },
  },
  "tied llama of transformers": { ...llamaOfTheirs, tie_word_embeddings: true },
};

interface Answer {
  readonly logits: readonly number[];
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly ids: readonly number[];
  readonly decoded: string;
  readonly vocabulary: number;
}

const python = Deno.env.get("STARLING_PYTHON") ?? "python3";
const missing = await whatIsMissing();
if (missing !== null) console.warn(`Tests with transformers are skipped: ${missing} (set STARLING_PYTHON)`);
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: missing === null ? name : `${name} (${missing})`, ignore: missing !== null, fn });

for (const [name, { config, tokenizer }] of Object.entries(EXPORTS)) {
  test(`transformers loads an exported ${name} with equal logits and token ids`, async () => {
    const answer = (await answers()).byName[name]!;
    assert.deepEqual([answer.missing, answer.unexpected], [[], []]);
    expectEqualLogits(await logitsOf(config, weightsOf(config)), answer.logits);
    assert.deepEqual(answer.ids, [...tokenizer.encode(TEXT)]);
    assert.equal(answer.decoded, TEXT);
    assert.equal(answer.vocabulary, tokenizer.vocabularySize);
  });
}

for (const name of Object.keys(SAVES)) {
  test(`A folder of a ${name} is read with equal logits`, async () => {
    const { byName, saved } = await answers();
    const { config, weights } = saved[name]!;
    expectEqualLogits(await logitsOf(config, weights), byName[name]!.logits);
  });
}

/** Weights large enough for logits of size 1. */
function weightsOf(config: ModelConfig): Float32Array<ArrayBuffer> {
  return initialWeights(config, 11).map((value) => value * 5);
}

async function logitsOf(model: ModelConfig, weights: Float32Array): Promise<readonly number[]> {
  await using device = openPlainDevice();
  // A window's last token is only a target: one more makes room for all that the oracle sees.
  const windows = WINDOWS.map((window) => Uint32Array.of(...window, 0));
  return Array.from((await inspect({ device, model, weights, windows })).logits);
}

function expectEqualLogits(found: readonly number[], wanted: readonly number[]): void {
  assert.equal(found.length, wanted.length);
  assert.ok(Math.max(...wanted.map(Math.abs)) > 0.5, "the logits are large enough to compare");
  const worst = Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)));
  assert.ok(worst <= LOGIT_TOLERANCE, `a logit differs by ${worst}`);
}

interface Answers {
  readonly byName: Readonly<Record<string, Answer>>;
  readonly saved: Readonly<Record<string, Awaited<ReturnType<typeof readFolder>>>>;
}

/** Everything is asked at once, as starting Python with torch takes seconds. */
function answers(): Promise<Answers> {
  return asked ??= ask();
}
let asked: Promise<Answers> | undefined;

async function ask(): Promise<Answers> {
  const root = await Deno.makeTempDir();
  try {
    const load: Record<string, string> = {}, save: Record<string, unknown> = {};
    for (const [name, { config, tokenizer }] of Object.entries(EXPORTS)) {
      load[name] = `${root}/${name}`;
      const tokenizerJson = tokenizer.toJson();
      await writeFolder(diskFolder(load[name]), { config, weights: weightsOf(config), tokenizerJson });
    }
    for (const [name, config] of Object.entries(SAVES)) save[name] = { folder: `${root}/${name}`, config };
    const request = { windows: WINDOWS.map((window) => [...window]), text: TEXT, load, save };
    const script = `${import.meta.dirname}/transformers_oracle.py`;
    const byName = JSON.parse(await runPython([script], JSON.stringify(request))) as Answers["byName"];
    const saved: Record<string, Awaited<ReturnType<typeof readFolder>>> = {};
    for (const name of Object.keys(SAVES)) saved[name] = await readFolder(diskFolder(`${root}/${name}`));
    return { byName, saved };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function runPython(args: readonly string[], input: string): Promise<string> {
  const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" };
  const process = new Deno.Command(python, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped", env })
    .spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await process.output();
  if (!success) throw new Error(`${python} failed:\n${new TextDecoder().decode(stderr).slice(-4000)}`);
  return new TextDecoder().decode(stdout);
}

/** Why the tests cannot run here, or null. */
async function whatIsMissing(): Promise<string | null> {
  const code = "import importlib.util as u\n" +
    "print(' '.join(m for m in ('torch', 'transformers', 'safetensors') if u.find_spec(m) is None))";
  try {
    const absent = (await runPython(["-c", code], "")).trim();
    return absent === "" ? null : `${python} lacks ${absent}`;
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? `there is no ${python}` : (error as Error).message.split("\n")[0]!;
  }
}
