// y = op(a)·op(b) (+ bias) (+ residual or y): a workgroup makes a 64×64 tile of y, an invocation a 4×4 part of it, in registers.
// Along K, slices of both operands go through workgroup memory, 16 values deep, always K-major, so that the inner
// product never asks which operand is transposed. Whatever lies outside a matrix is read as 0 and not written.

override M: u32;
override N: u32;
override K: u32;
override TRANSPOSE_A: u32;
override TRANSPOSE_B: u32;
override BIAS: u32;
override RESIDUAL: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<stored_y>;

const TILE = 64u;
const DEPTH = 16u;
const SIDE = 16u; // the workgroup is SIDE × SIDE invocations
const LANES = SIDE * SIDE;
const STRIDE = TILE + 1u; // the padding keeps a column of a slice out of one memory bank

var<workgroup> a_slice: array<f32, DEPTH * STRIDE>;
var<workgroup> b_slice: array<f32, DEPTH * STRIDE>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first_row = group.y * TILE;
  let first_column = group.x * TILE;
  // An invocation owns every 16th row and column of the tile, so that neighbours touch neighbouring words.
  let ty = lane / SIDE;
  let tx = lane % SIDE;

  var sums = mat4x4f();
  for (var first_k = 0u; first_k < K; first_k += DEPTH) {
    load_a(first_row, first_k, lane);
    load_b(first_column, first_k, lane);
    workgroupBarrier();
    sums = add_products(ty, tx, sums);
    workgroupBarrier();
  }

  store_row(first_row + ty, first_column + tx, sums[0]);
  store_row(first_row + ty + SIDE, first_column + tx, sums[1]);
  store_row(first_row + ty + 2u * SIDE, first_column + tx, sums[2]);
  store_row(first_row + ty + 3u * SIDE, first_column + tx, sums[3]);
}

/// a_slice[k, m] = op(a)[first_row + m, first_k + k], read along the rows that are in memory.
fn load_a(first_row: u32, first_k: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += LANES) {
    let m = select(i / DEPTH, i % TILE, TRANSPOSE_A == 1u);
    let k = select(i % DEPTH, i / TILE, TRANSPOSE_A == 1u);
    let row = first_row + m;
    let depth = first_k + k;
    var value = 0.0;
    if (row < M && depth < K) { value = f32(a[select(row * K + depth, depth * M + row, TRANSPOSE_A == 1u)]); }
    a_slice[k * STRIDE + m] = value;
  }
}

/// b_slice[k, n] = op(b)[first_k + k, first_column + n], read along the rows that are in memory.
fn load_b(first_column: u32, first_k: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += LANES) {
    let n = select(i % TILE, i / DEPTH, TRANSPOSE_B == 1u);
    let k = select(i / TILE, i % DEPTH, TRANSPOSE_B == 1u);
    let column = first_column + n;
    let depth = first_k + k;
    var value = 0.0;
    if (column < N && depth < K) { value = f32(b[select(depth * N + column, column * K + depth, TRANSPOSE_B == 1u)]); }
    b_slice[k * STRIDE + n] = value;
  }
}

/// One slice: 16 outer products, four in a turn of the loop, so that its counter and bound cost a quarter.
fn add_products(ty: u32, tx: u32, before: mat4x4f) -> mat4x4f {
  var sums = before;
  for (var k = 0u; k < DEPTH; k += 4u) {
    sums = add_product(k, ty, tx, sums);
    sums = add_product(k + 1u, ty, tx, sums);
    sums = add_product(k + 2u, ty, tx, sums);
    sums = add_product(k + 3u, ty, tx, sums);
  }
  return sums;
}

fn add_product(k: u32, ty: u32, tx: u32, sums: mat4x4f) -> mat4x4f {
  let m = k * STRIDE + ty;
  let n = k * STRIDE + tx;
  let columns = vec4f(b_slice[n], b_slice[n + SIDE], b_slice[n + 2u * SIDE], b_slice[n + 3u * SIDE]);
  return mat4x4f(
    fma(vec4f(a_slice[m]), columns, sums[0]),
    fma(vec4f(a_slice[m + SIDE]), columns, sums[1]),
    fma(vec4f(a_slice[m + 2u * SIDE]), columns, sums[2]),
    fma(vec4f(a_slice[m + 3u * SIDE]), columns, sums[3]),
  );
}

fn store_row(row: u32, column: u32, sums: vec4f) {
  store(row, column, sums.x);
  store(row, column + SIDE, sums.y);
  store(row, column + 2u * SIDE, sums.z);
  store(row, column + 3u * SIDE, sums.w);
}

fn store(row: u32, column: u32, sum: f32) {
  if (row >= M || column >= N) { return; }
  let i = row * N + column;
  var value = sum;
  if (BIAS == 1u) { value += bias[column]; }
  if (RESIDUAL == 1u) { value += residual[i]; }
  if (ACCUMULATE == 1u) { value += f32(y[i]); }
  y[i] = to_y(value);
}
