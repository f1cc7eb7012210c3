/**
 * The WGSL that the three shaders of attention have in common: the product of two slices in workgroup memory, which
 * `attention_tiles.wgsl` is, and how slices come from matrices in storage and go there.
 *
 * It is no kernel: what is multiplied, and in which order, each shader says for itself. A text calls of a matrix x that
 * it reads, whose rows lie in storage one after another with heads in them,
 *
 * - `x_part(sequence, first, offset, d, lane)`: of the 32 × 32 values from row `first` of a sequence and value d of the
 *   head at `offset` on, the invocation's 4 × 4;
 * - `add_x(sequence, first, offset, d, lane, before)`: before + leftᵀ · those 32 × 32, in `right` as they lie in storage;
 *
 * and of one that it writes, `store_x(sequence, first, offset, d, lane, part)`, each invocation its part.
 *
 * The one thing to know before editing: what lies outside a matrix is read as 0 and not written, so no size need be a
 * multiple of a tile; and T, D, H and G are the constants of whoever calls.
 * @module
 */
import tiles from "./attention_tiles.wgsl" with { type: "text" };

/** Rows or keys of one workgroup: TILE of the shaders. */
export const TILE = 32;

/** Values of a row of q, k and v together, and of the heads' outputs. */
const PACKED = "(H + 2u * G) * D", OUTPUTS = "H * D";

/** The matrices of all three, and how long their rows are. */
const MATRICES = { read: { qkv: PACKED, dy: OUTPUTS }, written: { y: OUTPUTS, dqkv: PACKED } };

/** A shader's own text with what it calls. */
export function withTiles(source: string): string {
  const called = (matrices: Readonly<Record<string, string>>, call: string) =>
    Object.entries(matrices).filter(([name]) => source.includes(call.replace("x", name)));
  return [
    source,
    tiles,
    ...called(MATRICES.read, "x_part(").map(([name, row]) => reader(name, row)),
    ...called(MATRICES.written, "store_x(").map(([name, row]) => writer(name, row)),
  ].join("\n");
}

function reader(x: string, row: string): string {
  return `\
fn ${x}_part(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) -> mat4x4f {
  let row = first + lane / SIDE * PART;
  let d = first_d + lane % SIDE * PART;
  return mat4x4f(
    ${x}_values(sequence, row, offset, d),
    ${x}_values(sequence, row + 1u, offset, d),
    ${x}_values(sequence, row + 2u, offset, d),
    ${x}_values(sequence, row + 3u, offset, d),
  );
}

fn add_${x}(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  for (var i = lane; i < TILE * SIDE; i += LANES) {
    right[at(i / SIDE, i % SIDE)] = ${x}_values(sequence, first + i / SIDE, offset, first_d + i % SIDE * PART);
  }
  return add_product(TILE, lane, before);
}

/// 4 values of a head from the d-th on; 0 for those that do not exist.
fn ${x}_values(sequence: u32, row: u32, offset: u32, d: u32) -> vec4f {
  if (row >= T || d >= D) { return vec4f(); }
  let values = ${x}_four((sequence + row) * ${row} + offset + d);
  return select(vec4f(), values, vec4u(d) + vec4u(0u, 1u, 2u, 3u) < vec4u(D));
}
`;
}

function writer(x: string, row: string): string {
  return `\
fn store_${x}(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32, part: mat4x4f) {
  let row = first + lane / SIDE * PART;
  let d = first_d + lane % SIDE * PART;
  store_${x}_row(sequence, row, offset, d, part[0]);
  store_${x}_row(sequence, row + 1u, offset, d, part[1]);
  store_${x}_row(sequence, row + 2u, offset, d, part[2]);
  store_${x}_row(sequence, row + 3u, offset, d, part[3]);
}

fn store_${x}_row(sequence: u32, row: u32, offset: u32, d: u32, values: vec4f) {
  if (row >= T || d >= D) { return; }
  put_${x}((sequence + row) * ${row} + offset + d, values, D - d);
}
`;
}
