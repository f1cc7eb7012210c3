/**
 * `starling export`: a run's newest state as a Hugging Face folder.
 * @module
 */
import { join } from "node:path";
import { diskFolder } from "../runtime/folder_disk.ts";
import { writeFolder } from "../runtime/model/huggingface.ts";
import { UsageError } from "./exit.ts";
import { type ModelPlace, openModel } from "./open_model.ts";
import { json, line } from "./print.ts";

export interface ExportOptions extends ModelPlace {
  readonly output: string;
}

/** Writes the folder; returns the round that the weights are of. */
export async function exportModel({ output, ...place }: ExportOptions): Promise<number> {
  const { config, weights, tokenizerJson, run } = await openModel(place);
  if (run === null) {
    throw new UsageError(`Cannot export '${place.folder}': it is a model already, not a run. Copy the folder`);
  }
  await writeFolder(diskFolder(output), { config, weights: Float32Array.from(weights), tokenizerJson });
  return run.round;
}

/** The command. */
export async function runExport(
  { output, json: asJson, ...place }: ModelPlace & {
    readonly output?: string;
    readonly json?: boolean;
  },
): Promise<void> {
  const target = output ?? join(place.folder, "model");
  const round = await exportModel({ ...place, output: target });
  if (asJson) return json({ kind: "exported", round, folder: target });
  line(`Round ${round} written to ${target} (Hugging Face layout).`);
  if (!place.quiet) line(`Next:  deno task starling sample ${target} --prompt "…"`);
}
