// Causal attention, forward, the FlashAttention-2 way. qkv is (B·T, (H + 2G)·D), y is (B·T, H·D), lse is (B, H, T).
//
// A workgroup takes 32 query rows of one head and lets the tiles of 32 keys that they see go by, with a running maximum
// and a running sum for each row (online softmax). Its 64 invocations form an 8×8 grid; each holds, in registers, a 4×4
// part of the 32×32 scores, and of the same 4 rows of the output 4 columns in every 32. A `mat4x4f` is such a part, one
// vector a row. Heads go through workgroup memory in slices of 32 values; what lies outside a matrix is read as 0.
// An invocation sums only its own columns of a row; the 8 partial sums meet once, at the end, in a fixed order.

override B: u32;
override T: u32;
override H: u32;
override G: u32;
override D: u32;

@group(0) @binding(0) var<storage, read> qkv: array<stored_qkv>;
@group(0) @binding(1) var<storage, read_write> y: array<stored_y>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

const TILE = 32u; // rows, keys, and values of a head in one slice
const PART = 4u;
const SIDE = TILE / PART; // the workgroup is SIDE × SIDE invocations
const LANES = SIDE * SIDE;
const STRIDE = TILE + 1u; // the padding keeps a column of a tile out of one memory bank
const LOWEST = -1.0e30; // below every score; an infinity would make NaN of a difference

var<workgroup> left: array<f32, TILE * STRIDE>; // a slice of the queries, then the tile's probabilities
var<workgroup> right: array<f32, TILE * STRIDE>; // a slice of the keys, then one of the values
var<workgroup> partial: array<f32, TILE * SIDE>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.y;
  let sequence = group.z * T; // its first row
  let first_row = group.x * TILE;
  let q_offset = head * D;
  let k_offset = (H + head / (H / G)) * D;
  let v_offset = k_offset + G * D;

  var largest = vec4f(LOWEST); // of each of the 4 rows; all 8 invocations of a row agree on it
  var sums = vec4f(); // of each of the 4 rows, over the invocation's own columns
  var y0 = mat4x4f(); // output: values 0 … 31 of the head,
  var y1 = mat4x4f(); // 32 … 63,
  var y2 = mat4x4f(); // 64 … 95
  var y3 = mat4x4f(); // and 96 … 127
  for (var first_key = 0u; first_key <= first_row; first_key += TILE) {
    var scores = mat4x4f();
    for (var d = 0u; d < D; d += TILE) {
      load_left(sequence, first_row, q_offset, d, lane);
      load_right(sequence, first_key, k_offset, d, lane);
      scores = add_dots(lane, scores);
    }
    scores = masked(scores * inverseSqrt(f32(D)), first_row, first_key, lane);

    let before = largest;
    largest = max(before, row_maxima(scores, lane));
    let weights = exponentials(scores, largest);
    let fade = exp(before - largest);
    sums = fma(sums, fade, row_sums(weights));
    store_left(weights, lane);

    y0 = add_values(sequence, first_key, v_offset, 0u, lane, faded(y0, fade));
    if (D > TILE) { y1 = add_values(sequence, first_key, v_offset, TILE, lane, faded(y1, fade)); }
    if (D > 2u * TILE) { y2 = add_values(sequence, first_key, v_offset, 2u * TILE, lane, faded(y2, fade)); }
    if (D > 3u * TILE) { y3 = add_values(sequence, first_key, v_offset, 3u * TILE, lane, faded(y3, fade)); }
  }

  let totals = row_totals(sums, lane);
  store_slice(sequence, first_row, head, 0u, lane, faded(y0, 1.0 / totals));
  if (D > TILE) { store_slice(sequence, first_row, head, TILE, lane, faded(y1, 1.0 / totals)); }
  if (D > 2u * TILE) { store_slice(sequence, first_row, head, 2u * TILE, lane, faded(y2, 1.0 / totals)); }
  if (D > 3u * TILE) { store_slice(sequence, first_row, head, 3u * TILE, lane, faded(y3, 1.0 / totals)); }
  if (lane % SIDE == 0u) {
    let logarithms = largest + log(totals);
    for (var i = 0u; i < PART; i++) {
      let row = first_row + lane / SIDE * PART + i;
      if (row < T) { lse[(group.z * H + head) * T + row] = logarithms[i]; }
    }
  }
}

/// before + the tile's probabilities · one slice of its values
fn add_values(sequence: u32, first_key: u32, offset: u32, first_d: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  load_right(sequence, first_key, offset, first_d, lane);
  return add_product(lane, before);
}

fn load_left(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    left[i / TILE * STRIDE + i % TILE] = packed(sequence, first + i / TILE, offset, first_d + i % TILE);
  }
}

fn load_right(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    right[i / TILE * STRIDE + i % TILE] = packed(sequence, first + i / TILE, offset, first_d + i % TILE);
  }
}

fn packed(sequence: u32, row: u32, offset: u32, d: u32) -> f32 {
  if (row >= T || d >= D) { return 0.0; }
  return f32(qkv[(sequence + row) * (H + 2u * G) * D + offset + d]);
}

fn store_left(part: mat4x4f, lane: u32) {
  let start = lane / SIDE * PART * STRIDE + lane % SIDE * PART;
  store_left_row(start, part[0]);
  store_left_row(start + STRIDE, part[1]);
  store_left_row(start + 2u * STRIDE, part[2]);
  store_left_row(start + 3u * STRIDE, part[3]);
}

fn store_left_row(start: u32, values: vec4f) {
  left[start] = values[0];
  left[start + 1u] = values[1];
  left[start + 2u] = values[2];
  left[start + 3u] = values[3];
}

/// before + left · rightᵀ, between barriers.
fn add_dots(lane: u32, before: mat4x4f) -> mat4x4f {
  workgroupBarrier();
  let row = lane / SIDE * PART * STRIDE;
  let column = lane % SIDE * PART * STRIDE;
  var part = before;
  for (var d = 0u; d < min(TILE, D); d += 4u) {
    part = add_dot(row + d, column + d, part);
    part = add_dot(row + d + 1u, column + d + 1u, part);
    part = add_dot(row + d + 2u, column + d + 2u, part);
    part = add_dot(row + d + 3u, column + d + 3u, part);
  }
  workgroupBarrier();
  return part;
}

fn add_dot(row: u32, column: u32, part: mat4x4f) -> mat4x4f {
  let columns = vec4f(
    right[column],
    right[column + STRIDE],
    right[column + 2u * STRIDE],
    right[column + 3u * STRIDE],
  );
  return add_outer(row, columns, part);
}

/// before + left · right, between barriers.
fn add_product(lane: u32, before: mat4x4f) -> mat4x4f {
  workgroupBarrier();
  let row = lane / SIDE * PART * STRIDE;
  let column = lane % SIDE * PART;
  var part = before;
  for (var k = 0u; k < TILE; k += 4u) {
    part = add_rank_one(row + k, column + k * STRIDE, part);
    part = add_rank_one(row + k + 1u, column + (k + 1u) * STRIDE, part);
    part = add_rank_one(row + k + 2u, column + (k + 2u) * STRIDE, part);
    part = add_rank_one(row + k + 3u, column + (k + 3u) * STRIDE, part);
  }
  workgroupBarrier();
  return part;
}

fn add_rank_one(row: u32, column: u32, part: mat4x4f) -> mat4x4f {
  return add_outer(row, vec4f(right[column], right[column + 1u], right[column + 2u], right[column + 3u]), part);
}

fn add_outer(row: u32, columns: vec4f, part: mat4x4f) -> mat4x4f {
  return mat4x4f(
    fma(vec4f(left[row]), columns, part[0]),
    fma(vec4f(left[row + STRIDE]), columns, part[1]),
    fma(vec4f(left[row + 2u * STRIDE]), columns, part[2]),
    fma(vec4f(left[row + 3u * STRIDE]), columns, part[3]),
  );
}

/// A row sees the keys up to its own.
fn masked(scores: mat4x4f, first_row: u32, first_key: u32, lane: u32) -> mat4x4f {
  let row = first_row + lane / SIDE * PART;
  let keys = vec4u(first_key + lane % SIDE * PART) + vec4u(0u, 1u, 2u, 3u);
  return mat4x4f(
    select(scores[0], vec4f(LOWEST), keys > vec4u(row)),
    select(scores[1], vec4f(LOWEST), keys > vec4u(row + 1u)),
    select(scores[2], vec4f(LOWEST), keys > vec4u(row + 2u)),
    select(scores[3], vec4f(LOWEST), keys > vec4u(row + 3u)),
  );
}

fn exponentials(scores: mat4x4f, largest: vec4f) -> mat4x4f {
  return mat4x4f(
    exp(scores[0] - largest[0]),
    exp(scores[1] - largest[1]),
    exp(scores[2] - largest[2]),
    exp(scores[3] - largest[3]),
  );
}

fn faded(part: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(part[0] * factors[0], part[1] * factors[1], part[2] * factors[2], part[3] * factors[3]);
}

/// The largest score of each of the invocation's rows in the whole tile.
fn row_maxima(scores: mat4x4f, lane: u32) -> vec4f {
  let mine = vec4f(largest_of(scores[0]), largest_of(scores[1]), largest_of(scores[2]), largest_of(scores[3]));
  share(mine, lane);
  let start = lane / SIDE * PART * SIDE;
  var found = mine;
  for (var i = 0u; i < SIDE; i++) { found = max(found, shared_by(start + i)); }
  return found;
}

/// The sum of each of the invocation's rows over all its columns.
fn row_totals(sums: vec4f, lane: u32) -> vec4f {
  share(sums, lane);
  let start = lane / SIDE * PART * SIDE;
  var found = vec4f();
  for (var i = 0u; i < SIDE; i++) { found += shared_by(start + i); }
  return found;
}

fn share(mine: vec4f, lane: u32) {
  let start = lane / SIDE * PART * SIDE + lane % SIDE;
  partial[start] = mine[0];
  partial[start + SIDE] = mine[1];
  partial[start + 2u * SIDE] = mine[2];
  partial[start + 3u * SIDE] = mine[3];
  workgroupBarrier();
}

fn shared_by(start: u32) -> vec4f {
  return vec4f(partial[start], partial[start + SIDE], partial[start + 2u * SIDE], partial[start + 3u * SIDE]);
}

fn largest_of(v: vec4f) -> f32 {
  return max(max(v[0], v[1]), max(v[2], v[3]));
}

fn row_sums(part: mat4x4f) -> vec4f {
  return vec4f(dot(part[0], vec4f(1.0)), dot(part[1], vec4f(1.0)), dot(part[2], vec4f(1.0)), dot(part[3], vec4f(1.0)));
}

fn store_slice(sequence: u32, first_row: u32, head: u32, first_d: u32, lane: u32, part: mat4x4f) {
  let row = first_row + lane / SIDE * PART;
  let d = first_d + lane % SIDE * PART;
  store_row(sequence, row, head, d, part[0]);
  store_row(sequence, row + 1u, head, d, part[1]);
  store_row(sequence, row + 2u, head, d, part[2]);
  store_row(sequence, row + 3u, head, d, part[3]);
}

fn store_row(sequence: u32, row: u32, head: u32, d: u32, values: vec4f) {
  if (row >= T) { return; }
  let start = ((sequence + row) * H + head) * D + d;
  if (d < D) { y[start] = to_y(values[0]); }
  if (d + 1u < D) { y[start + 1u] = to_y(values[1]); }
  if (d + 2u < D) { y[start + 2u] = to_y(values[2]); }
  if (d + 3u < D) { y[start + 3u] = to_y(values[3]); }
}
