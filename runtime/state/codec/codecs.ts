/**
 * Every codec by its name, and whichever one some bytes were written with. A new one is a file and a line here.
 * @module
 */
import type { Codec, CodecName } from "./codec.ts";
import { f32 } from "./f32.ts";
import { CODEC_IDS, codecId } from "./header.ts";
import { int8 } from "./int8.ts";
import { topk } from "./topk.ts";

/** `topk` at its sparsest; `topk.ts` has the other densities. */
export const codecs: Readonly<Record<CodecName, Codec>> = { f32, int8, topk: topk(64) };

/** Reads any codec's bytes: the header says whose they are. Rounds may change codecs, and late offers keep theirs. */
export const anyCodec: Pick<Codec, "open"> = {
  open(bytes, length) {
    const id = codecId(bytes);
    const codec = Object.values(codecs).find(({ name }) => CODEC_IDS[name] === id) ?? f32; // which says what is wrong
    return codec.open(bytes, length);
  },
};
