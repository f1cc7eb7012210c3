/**
 * `run.json`: what all peers of a run share, validated. Its canonical bytes are the run's genesis and name the run.
 *
 * Local choices (device, throttle, folders, ports) are flags of a peer and never part of it. Every number here has a
 * range; errors name field, found and wanted.
 * @module
 */
import { z } from "zod";
import { isPeerId } from "../p2p/identity.ts";
import { LARGEST_BLOB_BYTES } from "../p2p/store/chunks.ts";
import { lineageCount, MOST_LINEAGES } from "../p2p/sync/lineages.ts";
import { LARGEST_BATCH } from "../p2p/sync/offer.ts";
import { RUN_NAME } from "../p2p/ticket.ts";
import { modelConfigSchema } from "./model/config.ts";
import { parameterLayout } from "./model/parameters.ts";
import { weightsSizeBytes } from "./state/weights.ts";

/** Of this format. */
const VERSION = 1;
const MIB = 2 ** 20;
/** It is read into memory whole; a vocabulary of a million takes a quarter of it. */
const LARGEST_TOKENIZER_BYTES = 256 * MIB;
/** They are drawn and held in memory, for tests. */
const MOST_MARKOV_TOKENS = 256 * MIB;

/** Beyond any batch of the largest contexts. */
const MOST_CEILING_TOKENS = 1e12;

const digest = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits");
const share = z.number().min(0).max(1);

const tokenizerSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("bytes") }),
  z.strictObject({
    kind: z.literal("bpe"),
    blob: digest.describe("Blob of the tokenizer.json"),
    sizeBytes: z.int().min(1).max(LARGEST_TOKENIZER_BYTES),
  }),
]);

const dataSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("embedded").describe("Node's API documentation from @types/node (MIT)"),
    digest: digest.describe("SHA-256 of the whole text, so that all peers have the same edition"),
  }),
  z.strictObject({
    kind: z.literal("markov").describe("A seeded Markov source with known entropy, for tests"),
    seed: z.int().min(0),
    symbolCount: z.int().min(2).max(256),
    tokenCount: z.int().min(1024).max(MOST_MARKOV_TOKENS),
  }),
  z.strictObject({
    kind: z.literal("shards"),
    shards: z.array(
      z.strictObject({ blob: digest, sizeBytes: z.int().min(1).max(LARGEST_BLOB_BYTES), tokenCount: z.int().min(1) }),
    ).min(1).max(65_536),
  }),
]);

export const trainingSchema = z.strictObject({
  learningRate: z.number().positive().max(1).describe("Peak rate of the inner AdamW"),
  rateScaling: z.enum(["sqrt", "none"]).default("sqrt")
    .describe("How the rate follows the global batch as it leaves 'batch'"),
  schedule: z.enum(["constant", "cosine", "wsd"]).default("cosine").describe("After the warm-up, by tokens of the run"),
  warmupTokens: z.int().min(0),
  finalShare: share.default(0.1).describe("Rate at the end as a share of the peak"),
  decayShare: share.default(0.2).describe("wsd: the last share of the run, in which the rate falls"),
  targetTokens: z.int().min(1).nullable().describe("Tokens after which the run is done; null: open-ended"),
  batch: z.int().min(1).max(LARGEST_BATCH)
    .describe("Global batch of one inner step, in sequences; what `batching` begins with"),
  weightDecay: z.number().min(0).max(1).default(0.1).describe("On matrices only"),
  beta1: z.number().min(0).max(0.9999).default(0.9),
  beta2: z.number().min(0).max(0.99999).default(0.99),
  epsilon: z.number().positive().max(1e-3).default(1e-8),
  clip: z.number().min(0).default(1).describe("Global norm that gradients are clipped to; 0: never"),
  ewaDecay: z.number().min(0).max(0.999999).optional()
    .describe("Of the weights' average that each peer keeps for --ewa, an inner step; 0: none. Absent: 0.9995"),
});

const isDense = (codec: string) => codec === "int8" || codec === "f32";

export const outerSchema = z.strictObject({
  codec: z.enum(["auto", "int8", "topk", "f32"]).default("auto")
    .describe("auto: int8, and topk while links are too thin for it"),
  robust: z.enum(["median-clip", "trimmed-mean", "geometric-median", "centered-clip", "mean"]).default("median-clip")
    .describe("How contributions are folded; mean is unsafe: one hostile peer decides"),
  screen: z.enum(["drop", "log"]).default("drop").describe("What happens to work that pulls against everybody else's"),
  learningRate: z.number().positive().max(2).default(1).describe("1 with topk and auto"),
  momentum: z.number().min(0).max(0.99).default(0).describe("Nesterov; 0 with topk and auto"),
  ageDiscount: share.default(0.3).describe("Weight factor of a contribution for each round it is late"),
  lateRounds: z.int().min(1).max(16).default(3).describe("Rounds after which a late contribution is lost"),
}).refine(({ codec, learningRate, momentum }) => isDense(codec) || (learningRate === 1 && momentum === 0), {
  // Error feedback sends a sparse codec's mass over many rounds: that is its momentum.
  message: "must have learningRate 1 and momentum 0 with the codecs topk and auto; choose int8 for others",
}).refine(({ codec, robust }) => isDense(codec) || robust !== "trimmed-mean", {
  // At most places few sparse contributions have a value: trimming would leave the zeros of all others.
  message: "must not trim with the codecs topk and auto; choose int8, or another of the robust rules",
});

const roundsSchema = z.strictObject({
  firstMs: z.int().min(200).max(3_600_000).default(30_000),
  leastMs: z.int().min(200).max(3_600_000).default(5_000),
  longestMs: z.int().min(200).max(3_600_000).default(600_000),
}).refine(({ firstMs, leastMs, longestMs }) => leastMs <= firstMs && firstMs <= longestMs, {
  message: "must have leastMs ≤ firstMs ≤ longestMs",
});

const cellsSchema = z.strictObject({
  size: z.int().min(2).max(256).default(32).describe("Members beyond which a run goes on as several cells"),
  rounds: z.int().min(2).max(64).default(4).describe("Least rounds from one meeting of a cell with others to the next"),
}).prefault({});

const batchLimits = {
  most: z.int().min(1).max(LARGEST_BATCH).nullable().default(null).describe("Sequences; null: up to the ceiling"),
  ceiling: z.int().min(1).max(MOST_CEILING_TOKENS).nullable().default(null)
    .describe("Tokens of the largest global batch that is worth it; null: what the run's length gives"),
};
/** A factor of a test's threshold: the batch goes by its inverse square. */
const threshold = z.number().min(0.01).max(100);

const batchingSchema = z.discriminatedUnion("policy", [
  z.strictObject({ policy: z.literal("constant"), ...batchLimits }),
  z.strictObject({
    policy: z.literal("warmup"),
    to: z.int().min(1).max(LARGEST_BATCH).describe("Sequences"),
    tokens: z.int().min(1).describe("Of the run, after which the batch is there"),
    shape: z.enum(["linear", "doubling"]).default("doubling"),
    ...batchLimits,
  }),
  z.strictObject({
    policy: z.literal("norm-test"),
    eta: threshold.default(0.7),
    statistic: z.enum(["halves", "peers"]).default("halves").describe("Variance within each peer, or across peers"),
    estimator: z.enum(["debiased", "plug-in"]).default("debiased"),
    ...batchLimits,
  }).refine(({ eta, estimator }) => estimator === "debiased" || eta < 1, {
    message: "must be less than 1 with the estimator plug-in, whose batch never grows else; choose debiased",
    path: ["eta"],
  }),
  z.strictObject({
    policy: z.literal("inner-product"),
    theta: threshold.default(0.5),
    nu: threshold.default(1),
    ...batchLimits,
  }),
  z.strictObject({
    policy: z.literal("adloco"),
    lineages: z.int().min(1).max(MOST_LINEAGES).default(4).describe("Models trained beside each other at first"),
    mergeEvery: z.int().min(1).max(1000).nullable().default(2)
      .describe("Updates of every lineage after which two become one; null: never"),
    variant: z.enum(["corrected", "published"]).default("corrected").describe("published: as the authors' code does"),
    test: z.enum(["norm", "inner-product", "none"]).optional().describe("By which each lineage's batch grows"),
    switch: z.enum(["accumulate", "threshold"]).optional()
      .describe("threshold: at most what fits at once, until twice as much is asked for"),
    eta: threshold.optional(),
    theta: threshold.optional(),
    nu: threshold.optional(),
    ...batchLimits,
  }).transform(({ test, switch: mode, eta, theta, nu, ...rest }) => ({
    ...rest,
    ...(rest.variant === "published"
      ? {
        test: test ?? "inner-product",
        switch: mode ?? "threshold",
        eta: eta ?? 0.8,
        theta: theta ?? 0.3,
        nu: nu ?? 0.3,
      }
      : { test: test ?? "norm", switch: mode ?? "accumulate", eta: eta ?? 0.7, theta: theta ?? 0.5, nu: nu ?? 1 }),
  })).refine(({ variant, test, eta }) => variant !== "published" || test !== "norm" || eta < 1, {
    message: "must be less than 1 with the published norm test, whose batch never grows else",
    path: ["eta"],
  }),
]).prefault({ policy: "constant" });

/** Tokens; of text whose size is not in the configuration, no limit. */
function tokensIn(data: z.infer<typeof dataSchema>): number {
  switch (data.kind) {
    case "embedded":
      return Infinity;
    case "markov":
      return data.tokenCount;
    case "shards":
      return data.shards.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
    default:
      return data satisfies never;
  }
}

const runConfigSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(VERSION),
  name: z.string().regex(RUN_NAME, "must be 1 to 40 of a-z, 0-9 and '-', not starting with '-'"),
  seed: z.int().min(0).max(0xffff_ffff).describe("Of the initial weights and of the data order"),
  model: modelConfigSchema,
  tokenizer: tokenizerSchema,
  data: dataSchema,
  training: trainingSchema,
  outer: outerSchema,
  rounds: roundsSchema,
  cells: cellsSchema,
  batching: batchingSchema,
  membership: z.enum(["private", "allow", "open"]).default("private"),
  owner: z.string().refine(isPeerId, "must be a peer id, as 'starling members' prints them").optional(),
}).refine(({ membership, owner }) => (membership === "allow") === (owner !== undefined), {
  message: "must be there with membership 'allow', and only then: the peer id of whoever signs the list of members",
  path: ["owner"],
}).refine(({ training, batching }) => batching.most === null || batching.most >= training.batch, {
  message: "must not be less than training.batch, which the run begins with",
  path: ["batching", "most"],
}).refine(({ model, training, batching: { policy, ceiling } }) => {
  return policy === "constant" || ceiling === null || ceiling >= training.batch * model.contextLength;
}, {
  message: "must not be less than the first batch (training.batch × model.contextLength tokens), which could never " +
    "grow; choose null, or the policy constant",
  path: ["batching", "ceiling"],
}).refine(({ model, data, batching }) => {
  const count = lineageCount({ batching });
  return count === 1 || tokensIn(data) / model.contextLength >= count;
}, {
  message: "must not be more than the data has windows: each lineage trains some of its own",
  path: ["batching", "lineages"],
}).refine(({ training, batching }) => batching.policy !== "warmup" || batching.to >= training.batch, {
  message: "must not be less than training.batch, which the warm-up begins with: batches never shrink",
  path: ["batching", "to"],
});

/** A valid run. */
export type RunConfig = z.infer<typeof runConfigSchema>;
export type TokenizerConfig = RunConfig["tokenizer"];
export type DataConfig = RunConfig["data"];
export type TrainingConfig = RunConfig["training"];
export type BatchingConfig = RunConfig["batching"];
export type OuterConfig = RunConfig["outer"];

/**
 * Why the states of a run could not be handed on, or null. Nobody takes memory for such a model. Asked of a valid
 * configuration alone: a layout of sizes out of range would itself take memory without bound.
 */
function whyTooLarge(config: RunConfig): string | null {
  const sizeBytes = stateBytes(config);
  if (sizeBytes <= LARGEST_BLOB_BYTES) return null;
  const { parameterCount } = parameterLayout(config.model), giga = (value: number) => (value / 1e9).toFixed(1);
  return `has ${giga(parameterCount)} G parameters, so that a state takes ${giga(sizeBytes)} GB: at most ` +
    `${giga(LARGEST_BLOB_BYTES)} GB can be handed on; make width, layerCount, hiddenWidth or vocabularySize smaller`;
}

/** What a state of a run takes at most, in memory and as a blob: the first one, with all lineages. */
export function stateBytes({ model, outer, batching }: Pick<RunConfig, "model" | "outer" | "batching">): number {
  const layout = { parameterWords: parameterLayout(model).words, hasMomentum: outer.momentum > 0 };
  return weightsSizeBytes(layout, lineageCount({ batching }));
}

/** A configuration that does not fit its schema; the message names every field, what was found and what is wanted. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads `run.json`.
 * @param text JSON text.
 * @param source Where it came from, for the message.
 * @throws {ConfigError}
 */
export function parseRunConfig(text: string, source = "run.json"): RunConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`Cannot read ${source}: it is not JSON (${(cause as Error).message})`, { cause });
  }
  const version = typeof json === "object" && json !== null ? Reflect.get(json, "version") : undefined;
  if (typeof version === "number" && version > VERSION) {
    throw new ConfigError(
      `Cannot use ${source}: it is of version ${version}, newer than this program understands (${VERSION}). Update it`,
    );
  }
  const result = runConfigSchema.safeParse(json, { reportInput: true });
  if (result.success) {
    const reason = whyTooLarge(result.data);
    if (reason !== null) throw new ConfigError(`Cannot use ${source}:\n  'model': ${reason}`);
    return result.data;
  }
  const lines = result.error.issues.map((issue) => {
    const path = issue.path.length === 0 ? "the whole" : `'${issue.path.join(".")}'`;
    // What a rule of several fields got is all of them: the one that it blames is shown, if there is one.
    const input = issue.code === "custom" ? valueAt(json, issue.path) : issue.input;
    const found = input === undefined ? "" : `, found ${JSON.stringify(input).slice(0, 80)}`;
    return `  ${path}: ${issue.message}${found}`;
  });
  throw new ConfigError(`Cannot use ${source}:\n${lines.join("\n")}`);
}

/** A plain value inside of JSON; undefined if there is none, or it is made of others. */
function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  const found = path.reduce(
    (value: unknown, key): unknown => typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined,
    json,
  );
  return typeof found === "object" ? undefined : found;
}

/** The blobs that a run's tokenizer and data name: what a peer must hold before it can train. */
export function blobsOf({ tokenizer, data }: RunConfig): { readonly blob: string; readonly sizeBytes: number }[] {
  return [
    ...(tokenizer.kind === "bpe" ? [tokenizer] : []),
    ...(data.kind === "shards" ? data.shards : []),
  ];
}

/**
 * The genesis of a run: its configuration as canonical bytes (JSON with sorted keys, no spaces). Peers that agree on
 * these bytes agree on everything; their digest is the run id.
 */
export function genesisBytes(config: RunConfig): Uint8Array<ArrayBuffer> {
  const { $schema: _, ...shared } = config;
  return new TextEncoder().encode(JSON.stringify(sortKeys(shared)));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortKeys(item)]),
  );
}
