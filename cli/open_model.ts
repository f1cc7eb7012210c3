/**
 * The model in a folder: a run's newest state, or a Hugging Face folder.
 * @module
 */
import { join } from "node:path";
import { openDiskBlobStore } from "../p2p/store/disk.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { type BlobStore } from "../p2p/store/blob_store.ts";
import { layered } from "../p2p/store/layered.ts";
import type { RunConfig } from "../runtime/config.ts";
import { bpeTokenizer } from "../runtime/data/bpe.ts";
import { bytesTokenizer, type Tokenizer } from "../runtime/data/tokenizer.ts";
import { diskFolder } from "../runtime/folder_disk.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { readFolder } from "../runtime/model/huggingface.ts";
import { defaultStatePath, hasRun, openAverage, openRunFolder, readStatus } from "../runtime/run_folder.ts";
import type { PeerStatus } from "../runtime/status.ts";
import { readEwa } from "../runtime/state/ewa_bytes.ts";
import { readWeights, weightsLayout } from "../runtime/state/weights.ts";
import { UsageError } from "./exit.ts";
import { note } from "./print.ts";

export interface OpenedModel {
  readonly config: ModelConfig;
  /** The arena of the model. */
  readonly weights: Float32Array;
  /** Null if the folder has none and the model's vocabulary is not of bytes. */
  readonly tokenizer: Tokenizer | null;
  readonly tokenizerJson: string | null;
  /** The run, and the blobs of it that this machine has, if the folder is a run's. */
  readonly run: { readonly config: RunConfig; readonly blobs: BlobStore; readonly round: number } | null;
}

export interface ModelPlace {
  readonly folder: string;
  /** Whether to open the average of the run's weights that the peer keeps, instead of its newest weights. */
  readonly ewa?: boolean;
  /** A peer's own folder, if it is not the run's default. */
  readonly state?: string;
  /** Not to say which model of several it is. */
  readonly quiet?: boolean;
}

/**
 * Opens the model of a run or of a Hugging Face folder. Of a run that still trains several models it says which one.
 * @throws {UsageError} if the run has no state yet.
 * @throws {ModelFolderError | SafetensorsError | ConfigError} if the folder cannot be used.
 */
export async function openModel({ folder, state, ewa = false, quiet = false }: ModelPlace): Promise<OpenedModel> {
  if (await hasRun(folder)) {
    return await openRunModel(folder, { path: state ?? defaultStatePath(folder), ewa, isSilent: quiet });
  }
  if (!ewa) return await openExported(folder);
  throw new UsageError(
    `Cannot open the average of '${folder}': it is a model, and only a run has one. Leave out --ewa`,
  );
}

async function openExported(folder: string): Promise<OpenedModel> {
  const { config, weights, tokenizerJson } = await readFolder(diskFolder(folder));
  const tokenizer = tokenizerJson !== null
    ? bpeTokenizer(tokenizerJson, join(folder, "tokenizer.json"))
    : config.vocabularySize === 256
    ? bytesTokenizer()
    : null;
  return { config, weights, tokenizer, tokenizerJson, run: null };
}

async function openRunModel(
  folder: string,
  { path: statePath, ewa, isSilent }: { readonly path: string; readonly ewa: boolean; readonly isSilent: boolean },
): Promise<OpenedModel> {
  const { config, data } = await openRunFolder(folder);
  const status = await readStatus(statePath);
  if (status === null || status.weights === "") {
    throw new UsageError(
      `Cannot open the model of run "${config.name}": no peer has finished a round in ${statePath}. ` +
        `Train first (starling start ${folder}), or name another peer's folder with --state`,
    );
  }
  const blobs = layered(await openDiskBlobStore(join(statePath, "blobs")), data);
  const parameters = ewa ? await averageIn(statePath, config) : await newestIn(statePath, { config, blobs, status });
  const choice = lineageText(config, status);
  if (choice !== null && !isSilent) note(choice);
  const { tokenizer: kind } = config;
  const json = kind.kind === "bytes"
    ? null
    : new TextDecoder().decode(await blobs.get(kind.blob as Digest) ?? undefined);
  return {
    config: config.model,
    weights: parameters,
    tokenizer: json === null ? bytesTokenizer() : bpeTokenizer(json),
    tokenizerJson: json,
    run: { config, blobs, round: status.round },
  };
}

/** Which of a run's models is opened, while it trains several; null if there is but one. */
export function lineageText(
  { batching }: Pick<RunConfig, "batching">,
  { lineages, leading, round }: Pick<PeerStatus, "lineages" | "leading" | "round">,
): string | null {
  const lineage = lineages[leading];
  if (lineages.length < 2 || lineage === undefined) return null;
  const isKeptApart = batching.policy === "adloco" && batching.mergeEvery === null;
  const future = isKeptApart
    ? "this run never makes one of them (batching.mergeEvery is null)"
    : "merging is not over, and what they become may be better";
  return `This is lineage ${lineage.from.join(" + ")}, the one of highest demand of the ${lineages.length} that the ` +
    `run trains beside each other in round ${round}: ${future}.`;
}

async function newestIn(statePath: string, { config, blobs, status: { weights, leading, round } }: {
  readonly config: RunConfig;
  readonly blobs: BlobStore;
  readonly status: Pick<PeerStatus, "weights" | "leading" | "round">;
}): Promise<Float32Array> {
  const bytes = await blobs.get(weights as Digest),
    set = bytes && readWeights(bytes, weightsLayout(config)).sets[leading];
  if (set) return set.parameters;
  throw new UsageError(
    `Cannot open the model of run "${config.name}": the weights of round ${round} are missing or damaged in ` +
      `${statePath}. Start the peer again: it fetches what it lacks from others`,
  );
}

async function averageIn(statePath: string, config: RunConfig): Promise<Float32Array> {
  const cannot = (why: string) => new UsageError(`Cannot open the average of run "${config.name}": ${why}`);
  if (config.training.ewaDecay === 0) throw cannot("it keeps none (training.ewaDecay is 0). Leave out --ewa");
  const saved = openAverage(statePath), average = new Float32Array(weightsLayout(config).parameterWords);
  if (saved === null) throw cannot(`${statePath} has none. The peer writes it with its first round, and when it stops`);
  const read = await readEwa(saved, average);
  if (read.ok) return average;
  throw cannot(`${read.reason}. It starts anew when the peer in ${statePath} does`);
}
