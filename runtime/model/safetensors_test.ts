import { strict as assert } from "node:assert";
import { joinBytes, memoryReader } from "../folder.ts";
import { encodeSafetensors, openSafetensors, SafetensorsError, type TensorToWrite } from "./safetensors.ts";
import { randomWords } from "./random.ts";

const TENSORS: readonly TensorToWrite[] = [
  { name: "a", shape: [2, 3], values: () => Float32Array.of(1, -2, 3.5, 1e-40, Infinity, -0) },
  { name: "nothing", shape: [0, 4], values: () => new Float32Array() },
  { name: "a number", shape: [], values: () => Float32Array.of(42) },
];

function encode(tensors = TENSORS, metadata: Record<string, string> = { format: "pt" }): Uint8Array<ArrayBuffer> {
  return joinBytes([...encodeSafetensors(tensors, metadata)]);
}

/** A file with any header and data. */
function file(header: unknown, dataBytes: number | Uint8Array = 0): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return joinBytes([length, text, typeof dataBytes === "number" ? new Uint8Array(dataBytes) : dataBytes]);
}

Deno.test("What encodeSafetensors() writes, openSafetensors() reads bit for bit", () => {
  const bytes = encode();
  const opened = openSafetensors(memoryReader(bytes));
  assert.deepEqual([...opened.tensors.keys()], ["a", "nothing", "a number"]);
  assert.deepEqual({ ...opened.metadata }, { format: "pt" });
  for (const { name, shape, values } of TENSORS) assert.deepEqual(opened.read(name, shape), values());
  assert.equal(opened.tensors.get("a")!.start % 8, 0, "data is aligned");
});

Deno.test("F16 and BF16 are read as the f32 they mean", () => {
  const half = new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x7bff).buffer);
  const f16 = openSafetensors(memoryReader(file({ x: { dtype: "F16", shape: [5], data_offsets: [0, 10] } }, half)));
  assert.deepEqual([...f16.read("x", [5])], [1, -2, 2 ** -24, Infinity, 65_504]);
  const brain = new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0001).buffer);
  const bf16 = openSafetensors(memoryReader(file({ x: { dtype: "BF16", shape: [4], data_offsets: [0, 8] } }, brain)));
  assert.deepEqual([...bf16.read("x", [4])], [1, -2, Infinity, 2 ** -133]);
});

Deno.test("A tensor that is missing, misshaped or of a foreign type is refused by name, with found and wanted", () => {
  const opened = openSafetensors(memoryReader(encode(), "m.safetensors"));
  assert.throws(() => opened.read("b", [1]), /m\.safetensors as safetensors: it has no tensor 'b'/);
  assert.throws(() => opened.read("a", [3, 2]), /tensor 'a' has the shape \[2,3\] and \[3,2\] is wanted/);
  assert.throws(() => opened.read("a", [6]), /\[2,3\] and \[6\] is wanted/);
  const mask = openSafetensors(memoryReader(file({ x: { dtype: "BOOL", shape: [2], data_offsets: [0, 2] } }, 2)));
  assert.throws(() => mask.read("x", [2]), /tensor 'x' is of type BOOL; F32, F16 and BF16 are read/);
});

Deno.test("A header that lies is refused, with the lie", () => {
  const x = (entry: object, data = 8) =>
    file({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...entry } }, data);
  const y = { dtype: "F32", shape: [1], data_offsets: [4, 8] };
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(7), /it has 7 bytes/],
    [new Uint8Array(8).fill(255), /claims 18446744073709551615 bytes, at most 0/],
    [file("{"), /not JSON/],
    [file("[]"), /not a table of tensors/],
    [file({ __metadata__: { a: 1 } }), /__metadata__ is not a table of texts/],
    [x({ dtype: "Q4" }), /unknown type "Q4"/],
    [x({ dtype: "constructor" }), /unknown type "constructor"/],
    [x({ shape: [3] }), /tensor 'x' has 8 bytes; F32 \[3\] needs 12/],
    [x({ shape: [-2] }), /tensor 'x': .*>=0/],
    [x({ shape: [2 ** 40, 2 ** 40] }), /tensor 'x' has 8 bytes/],
    [x({ data_offsets: [8, 0] }), /has -8 bytes/],
    [x({ data_offsets: [0, 8, 9] }), /tensor 'x'/],
    [x({ more: 1 }), /Unrecognized key/],
    [x({}, 7), /tensor 'x' ends at byte \d+ and the file has \d+; it was cut/],
    [x({}, 9), /1 bytes after tensor 'x' belong to no tensor/],
    [x({ data_offsets: [4, 12] }, 12), /4 bytes before tensor 'x' belong to no tensor/],
    [file({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8] }, y }, 8), /tensor 'y' overlaps tensor 'x'/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(() => openSafetensors(memoryReader(bytes)), (error: Error) => {
      assert.ok(error instanceof SafetensorsError, `${message}: ${error}`);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("Files damaged at random give a SafetensorsError or tensors inside the file, never anything else", () => {
  const good = encode();
  for (let seed = 0; seed < 3000; seed++) {
    const next = randomWords(seed, 0);
    const bytes = good.slice(0, seed % 4 === 0 ? next() % good.length : good.length);
    for (let change = 0; change <= seed % 4 && bytes.length > 0; change++) {
      bytes[next() % Math.min(bytes.length, 250)] = next() & 255;
    }
    try {
      const opened = openSafetensors(memoryReader(bytes));
      for (const { name, shape } of opened.tensors.values()) opened.read(name, shape);
    } catch (error) {
      assert.ok(error instanceof SafetensorsError, `seed ${seed}: ${error}`);
    }
  }
});

Deno.test("encodeSafetensors() refuses values that do not fill the shape", () => {
  const tensor = { name: "x", shape: [3], values: () => new Float32Array(2) };
  assert.throws(() => encode([tensor]), /tensor 'x': 2 values for the shape \[3\]/);
});
