/**
 * `starling sample`: text from a model, token by token.
 * @module
 */
import { type DeviceChoice, openDevice } from "../runtime/device/open.ts";
import { whole } from "../runtime/device/device.ts";
import { openGenerator } from "../runtime/model/generate.ts";
import { UsageError } from "./exit.ts";
import { type ModelPlace, openModel } from "./open_model.ts";
import { json, line, note, raw } from "./print.ts";

export interface SampleOptions extends ModelPlace {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  /** 0: all tokens are candidates. */
  readonly topK?: number;
  readonly seed: number;
  readonly device?: DeviceChoice;
}

/** Bytes of the longest character in UTF-8, and so the most tokens that can share one. */
const LONGEST_CHARACTER = 4;

/** Prints the prompt and what the model makes of it. */
export async function sample(options: SampleOptions & { readonly json?: boolean }): Promise<void> {
  if (options.json) {
    const text = (await Array.fromAsync(sampleFrom(options))).join("");
    return json({ prompt: options.prompt, text: text.slice(options.prompt.length), seed: options.seed });
  }
  for await (const text of sampleFrom(options)) raw(text);
  line();
}

/** The prompt, then the text as it is generated. The same options give the same text. */
export async function* sampleFrom(options: SampleOptions): AsyncGenerator<string> {
  const { config, weights, tokenizer } = await openModel(options);
  if (tokenizer === null) {
    throw new UsageError(
      `Cannot sample from '${options.folder}': it has no tokenizer.json. Copy the model's tokenizer there`,
    );
  }
  const { device } = await openDevice(options.device ?? "auto", { onNotice: note });
  await using _ = device;
  const parameters = device.allocate(weights.length, "parameters");
  device.write(whole(parameters), weights);
  await using generator = await openGenerator({ device, model: config, parameters });
  // A model has to begin somewhere: where there is no prompt, after a line end.
  const prompt = tokenizer.encode(options.prompt === "" ? "\n" : options.prompt);
  yield options.prompt;
  /** Tokens that may end in the middle of a character. */
  let pending: number[] = [];
  for await (
    const id of generator.generate([...prompt], {
      tokenCount: options.tokens,
      seed: options.seed,
      temperature: options.temperature,
      ...(options.topK === undefined || options.topK === 0 ? {} : { topK: options.topK }),
    })
  ) {
    pending.push(id);
    const text = tokenizer.decode(pending);
    if (text.endsWith("\ufffd") && pending.length < LONGEST_CHARACTER) continue;
    yield text;
    pending = [];
  }
  yield tokenizer.decode(pending);
}
