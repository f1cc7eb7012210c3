/**
 * Every codec by its name, and whichever one some bytes were written with. A new one is a file and a line here.
 * @module
 */
import type { OuterConfig } from "../../config.ts";
import type { Codec, CodecName } from "./codec.ts";
import { f32 } from "./f32.ts";
import { CODEC_IDS, codecId } from "./header.ts";
import { int8 } from "./int8.ts";
import { topk } from "./topk.ts";

/** `topk` at its sparsest; `topk.ts` has the other densities. */
export const codecs: Readonly<Record<CodecName, Codec>> = { f32, int8, topk: topk(64) };

/** Reads any codec's bytes: the header says whose they are. */
export const anyCodec: Pick<Codec, "open"> = readerOf(Object.values(codecs));

/** Reads what a run's peers may send: its rounds may change codecs, and late offers keep theirs. */
export function codecsOf(choice: OuterConfig["codec"]): Pick<Codec, "open"> {
  return readerOf(choice === "auto" ? [codecs.int8, codecs.topk] : [codecs[choice]]);
}

function readerOf(read: readonly Codec[]): Pick<Codec, "open"> {
  return {
    open(bytes, length) {
      const id = codecId(bytes);
      const codec = read.find(({ name }) => CODEC_IDS[name] === id) ?? read[0]!; // which says what is wrong
      return codec.open(bytes, length);
    },
  };
}
