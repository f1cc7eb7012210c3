import { strict as assert } from "node:assert";
import { type ByteReader, memoryReader } from "../folder.ts";
import { hashOf } from "./hash.ts";
import { encodeShard, encodeShards, openShard, type Shard, ShardError } from "./shards.ts";
import { bytesTokenizer, type Tokenizer } from "./tokenizer.ts";
import { joinTokens } from "./tokens.ts";

const wide: Tokenizer = { ...bytesTokenizer(), vocabularySize: 65_537 };

async function collect(pieces: Iterable<string>, shardTokens: number, tokenizer = bytesTokenizer()): Promise<Shard[]> {
  return await Array.fromAsync(encodeShards(pieces, { tokenizer, shardTokens }));
}

for (const [name, tokenizer, width] of [["two", bytesTokenizer(), 2], ["four", wide, 4]] as const) {
  Deno.test(`Shards of ${name} bytes a token give the text back, wherever pieces and shards end`, async () => {
    const text = "The quick brown fox jumps over the lazy dog. 🦊 ";
    const pieces = [text.slice(0, 7), "", text.slice(7, 8), text.slice(8)];
    for (const shardTokens of [1, 5, 10, text.length, 1000]) {
      const shards = await collect(pieces, shardTokens, tokenizer);
      assert.ok(shards.slice(0, -1).every(({ tokenCount }) => tokenCount === shardTokens));
      assert.equal(shards[0]!.bytes.length, 24 + width * shards[0]!.tokenCount);
      const tokens = joinTokens(shards.map(({ bytes }) => openShard(memoryReader(bytes))));
      const ids = new Uint32Array(tokens.tokenCount);
      tokens.read(0, ids);
      assert.equal(tokenizer.decode(ids), text, `${shardTokens} tokens a shard`);
    }
  });
}

Deno.test("No text gives no shards", async () => {
  assert.deepEqual(await collect([], 8), []);
  assert.deepEqual(await collect(["", ""], 8), []);
});

Deno.test("The bytes of a shard are pinned", () => {
  const { bytes } = encodeShard(Uint16Array.of(1, 0x0203));
  assert.deepEqual([...bytes], [
    ...new TextEncoder().encode("STARLTOK"),
    ...[1, 0, 0, 0],
    ...[2, 0, 0, 0],
    ...[2, 0, 0, 0, 0, 0, 0, 0],
    ...[1, 0, 3, 2],
  ]);
});

Deno.test("A shard is read in pages: windows close together cost one read, and memory stays bounded", () => {
  const tokenCount = 2_000_000;
  const { bytes } = encodeShard(Uint32Array.from({ length: tokenCount }, (_, i) => i));
  let readCount = 0, largest = 0;
  const inner = memoryReader(bytes);
  const counting: ByteReader = {
    ...inner,
    readAt(position, into) {
      readCount++;
      largest = Math.max(largest, into.length);
      inner.readAt(position, into);
    },
  };
  const shard = openShard(counting);
  const into = new Uint32Array(100);
  for (let start = 0; start < 4000; start += 100) shard.read(start, into);
  assert.equal(readCount, 2, "one for the header and one for the page");
  for (let i = 0; i < 500; i++) {
    const start = hashOf(11, i) % (tokenCount - 100);
    shard.read(start, into);
    assert.deepEqual([...into], Array.from(into, (_, j) => start + j));
  }
  assert.ok(largest <= 16 * 1024);
  for (let start = 0; start < 100 * 4096; start += 4096) shard.read(start, into); // a hundred pages
  const before = readCount;
  shard.read(0, into);
  assert.equal(readCount, before + 1, "the page of the first window was given up");
  assert.throws(() => shard.read(tokenCount - 99, into), /the text has 2000000 tokens/);
});

Deno.test("A damaged shard is refused with a ShardError that names the file, and never read past its end", () => {
  const good = encodeShard(Uint16Array.from({ length: 50 }, (_, i) => i)).bytes;
  for (let seed = 0; seed < 2000; seed++) {
    const bytes = good.slice(0, seed % 3 === 0 ? hashOf(seed, 0) % (good.length + 1) : good.length);
    for (let change = 0; change < 1 + seed % 3 && bytes.length > 0; change++) {
      bytes[hashOf(seed, 1, change) % Math.min(24, bytes.length)] = hashOf(seed, 2, change) & 255;
    }
    try {
      const shard = openShard(memoryReader(bytes, "a.tokens"));
      shard.read(0, new Uint32Array(shard.tokenCount));
    } catch (error) {
      assert.ok(error instanceof ShardError && error.message.includes("a.tokens"), `seed ${seed}: ${error}`);
    }
  }
});

Deno.test("A shard says what is wrong with it", () => {
  const cases: [number, number[], RegExp][] = [
    [0, [65], /starts with "ATARLTOK", not with "STARLTOK"/],
    [8, [2], /its version is 2, this program reads 1/],
    [12, [3], /its tokens have 3 bytes, only 2 and 4 are known/],
    [16, [51], /51 tokens of 2 bytes need 126 bytes and it has 124/],
    [16, [49], /49 tokens of 2 bytes need 122 bytes and it has 124/],
    [16, [255, 255, 255, 255, 255, 255, 255, 255], /18446744073709551615 tokens/],
  ];
  for (const [at, values, message] of cases) {
    const { bytes } = encodeShard(new Uint16Array(50));
    bytes.set(values, at);
    assert.throws(() => openShard(memoryReader(bytes)), message);
  }
  assert.throws(() => openShard(memoryReader(new Uint8Array(3))), /it has 3 bytes, the header alone 24/);
});
