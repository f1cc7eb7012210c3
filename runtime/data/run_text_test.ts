import { strict as assert } from "node:assert";
import { memoryReader } from "../folder.ts";
import { trainBpe } from "./bpe_train.ts";
import { CorpusError, openCorpus } from "./corpus.ts";
import { EMBEDDED_DIGEST, loadEmbeddedText } from "./embedded.ts";
import { openRunText, openRunTokenizer } from "./run_text.ts";
import { encodeShard, ShardError } from "./shards.ts";
import { bytesTokenizer } from "./tokenizer.ts";

const tokenizer = bytesTokenizer();
const openBlob = () => Promise.reject(new Error("no blobs here"));
const DIGEST = "ab".repeat(32);

Deno.test("The embedded text of a run with bytes is the text itself, and is cut into windows", async () => {
  const tokens = await openRunText({ kind: "embedded", digest: EMBEDDED_DIGEST }, { tokenizer, openBlob });
  const start = new Uint32Array(200);
  tokens.read(0, start);
  assert.ok((await loadEmbeddedText()).startsWith(tokenizer.decode(start)));
  const { train, heldOut } = openCorpus(tokens, { contextLength: 128, vocabularySize: 256 });
  assert.ok(train.windowCount > 19_000 && heldOut.windowCount > 500);
});

Deno.test("Another edition of the embedded text is refused", async () => {
  const opening = openRunText({ kind: "embedded", digest: DIGEST }, { tokenizer, openBlob });
  await assert.rejects(
    opening,
    (error: Error) => error instanceof CorpusError && /edition abababab/.test(error.message),
  );
});

Deno.test("A run of a Markov source draws it", async () => {
  const config = { kind: "markov", seed: 1, symbolCount: 5, tokenCount: 2000 } as const;
  assert.equal((await openRunText(config, { tokenizer, openBlob })).tokenCount, 2000);
});

Deno.test("A run of shards joins them, and refuses one with another count of tokens", async () => {
  const shards = [Uint16Array.of(1, 2, 3), Uint16Array.of(4, 5)].map(encodeShard);
  const open = (digest: string) => Promise.resolve(memoryReader(shards[digest === DIGEST ? 0 : 1]!.bytes));
  const named = [{ blob: DIGEST, sizeBytes: 30, tokenCount: 3 }, {
    blob: "cd".repeat(32),
    sizeBytes: 28,
    tokenCount: 2,
  }];
  const tokens = await openRunText({ kind: "shards", shards: named }, { tokenizer, openBlob: open });
  const all = new Uint32Array(5);
  tokens.read(0, all);
  assert.deepEqual([...all], [1, 2, 3, 4, 5]);

  const wrong = { kind: "shards", shards: [{ blob: DIGEST, sizeBytes: 32, tokenCount: 4 }] } as const;
  await assert.rejects(
    openRunText({ ...wrong, shards: [...wrong.shards] }, { tokenizer, openBlob: open }),
    /shard abababab…: it has 3 tokens and the run says 4/,
  );
  const damaged = () => Promise.resolve(memoryReader(new Uint8Array(10)));
  await assert.rejects(
    openRunText({ kind: "shards", shards: named }, { tokenizer, openBlob: damaged }),
    ShardError,
  );
});

Deno.test("The tokenizer of a run is bytes, or the blob that it names", async () => {
  const file = trainBpe(["abc abc abc"], { vocabularySize: 257 });
  assert.equal((await openRunTokenizer({ kind: "bytes" }, openBlob)).kind, "bytes");
  const bpe = await openRunTokenizer({ kind: "bpe", blob: DIGEST, sizeBytes: 1 }, (digest) => {
    assert.equal(digest, DIGEST);
    return Promise.resolve(file);
  });
  assert.equal(bpe.vocabularySize, 257);
});
