/**
 * Every codec by its name in `run.json`. A new one is a file and a line here.
 * @module
 */
import type { Codec, CodecName } from "./codec.ts";
import { f32 } from "./f32.ts";
import { int8 } from "./int8.ts";

export const codecs: Readonly<Record<CodecName, Codec>> = { f32, int8 };
