/**
 * `starling init`: makes a run's folder.
 * @module
 */
import { basename, resolve } from "node:path";
import { genesisBytes, type RunConfig } from "../runtime/config.ts";
import { createRun as makeConfig } from "../runtime/create_run.ts";
import { readTextFiles } from "../runtime/data/text_files.ts";
import { parameterLayout } from "../runtime/model/parameters.ts";
import type { PresetName } from "../runtime/presets.ts";
import { createRunFolder, defaultStatePath, hasRun, makeIdentity, openRunData } from "../runtime/run_folder.ts";
import { sha256 } from "../p2p/store/chunks.ts";
import { UsageError } from "./exit.ts";
import { counted, short } from "./format.ts";
import { json, line } from "./print.ts";

export interface InitOptions {
  readonly folder: string;
  readonly preset: PresetName;
  readonly seed: number;
  readonly membership: RunConfig["membership"];
  readonly data?: string;
  readonly tokenizer?: "bytes" | "bpe";
  readonly vocabulary?: number;
  readonly name?: string;
  readonly targetTokens?: number;
  readonly json?: boolean;
  /** Says what was made, not what to do next. */
  readonly quiet?: boolean;
}

/** Makes a run and says what it is and what to type next. */
export async function init(options: InitOptions): Promise<void> {
  const { config, run } = await createRun(options);
  const { parameterCount } = parameterLayout(config.model);
  if (options.json) {
    return json({ kind: "created", folder: options.folder, run, name: config.name, parameters: parameterCount });
  }
  line(
    `Run "${config.name}" ${short(run)}: ${config.model.family}, ${counted(parameterCount)} parameters, ` +
      `${config.model.vocabularySize} ${config.tokenizer.kind === "bytes" ? "bytes" : "BPE tokens"}, ` +
      `context ${config.model.contextLength}.`,
  );
  line(`Written: ${options.folder}/run.json. Change it as you like before the first start; then it names the run.`);
  if (config.owner !== undefined) {
    line(`Members: only this folder's peer, ${config.owner}, until it allows others:`);
    line(`       deno task starling members ${options.folder} --allow <peer id>`);
  }
  if (!options.quiet) line(`\nNext:  deno task starling start ${options.folder}`);
}

/** Makes a run's folder. @throws {UsageError} if it holds a run already. */
export async function createRun(
  options: Omit<InitOptions, "json" | "quiet">,
): Promise<{ config: RunConfig; run: string }> {
  const { folder, data } = options;
  if (await hasRun(folder)) {
    throw new UsageError(`Cannot make a run in '${folder}': there is one already. Start it, or choose another folder`);
  }
  const name = options.name ?? nameFrom(folder);
  const owner = options.membership === "allow" ? (await makeIdentity(defaultStatePath(folder))).peer : undefined;
  const config = await makeConfig({
    name,
    preset: options.preset,
    seed: options.seed,
    membership: options.membership,
    ...(owner === undefined ? {} : { owner }),
    texts: data === undefined ? null : () => readTextFiles(data),
    ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
    ...(options.vocabulary === undefined ? {} : { vocabularySize: options.vocabulary }),
    ...(options.targetTokens === undefined ? {} : { targetTokens: options.targetTokens }),
  }, await openRunData(folder));
  const networkKey = config.membership !== "open" ? crypto.getRandomValues(new Uint8Array(32)) : null;
  await createRunFolder(folder, { config, networkKey });
  return { config, run: await sha256(genesisBytes(config)) };
}

/** A run's name from its folder's: lower case, other signs as dashes. */
function nameFrom(folder: string): string {
  const name = basename(resolve(folder)).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
  return name === "" ? "run" : name;
}
