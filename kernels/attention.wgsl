// Causal attention, forward, the FlashAttention-2 way. qkv is (B·T, (H + 2G)·D), y is (B·T, H·D), lse is (B, H, T).
//
// A workgroup takes 32 query rows of one head and lets the tiles of 32 keys that they see go by, with a running maximum
// and a running sum for each row (online softmax). Its 64 invocations form an 8×8 grid; each holds, in registers, a 4×4
// part of the 32×32 scores, and of the same 4 rows of the output 4 columns in every 32. A `mat4x4f` is such a part, one
// vector a row. Heads go through workgroup memory in slices of 32 values; what lies outside a matrix is read as 0.
// Both factors of a product lie there by depth (what is summed over), as vectors of 4 neighbouring rows or columns, so
// that an invocation makes 16 products of two vectors: what has its depths beside each other in storage is turned.
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
const LOWEST = -1.0e30; // below every score; an infinity would make NaN of a difference

var<workgroup> left: array<vec4f, TILE * SIDE>; // a slice of the queries, then the tile's probabilities
var<workgroup> right: array<vec4f, TILE * SIDE>; // a slice of the keys, then one of the values
var<workgroup> partial: array<vec4f, LANES>; // of each invocation, 4 rows

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
      load_queries(sequence, first_row, q_offset, d, lane);
      load_keys(sequence, first_key, k_offset, d, lane);
      scores = add_product(min(TILE, D), lane, scores);
    }
    scores = masked(scores * inverseSqrt(f32(D)), first_row, first_key, lane);

    let before = largest;
    largest = max(before, row_maxima(scores, lane));
    let weights = exponentials(scores, largest);
    let fade = exp(before - largest);
    sums = fma(sums, fade, row_sums(weights));
    store_left(weights, lane % SIDE * PART, lane / SIDE);

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
  for (var i = lane; i < TILE * SIDE; i += LANES) {
    right[at(i / SIDE, i % SIDE)] = packed(sequence, first_key + i / SIDE, offset, first_d + i % SIDE * PART);
  }
  return add_product(TILE, lane, before);
}

fn load_queries(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_left(packed_rows(sequence, first + lane / SIDE * PART, offset, first_d + depth), depth, lane / SIDE);
}

fn load_keys(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_right(packed_rows(sequence, first + lane / SIDE * PART, offset, first_d + depth), depth, lane / SIDE);
}

/// The same 4 values of 4 rows.
fn packed_rows(sequence: u32, row: u32, offset: u32, d: u32) -> mat4x4f {
  return mat4x4f(
    packed(sequence, row, offset, d),
    packed(sequence, row + 1u, offset, d),
    packed(sequence, row + 2u, offset, d),
    packed(sequence, row + 3u, offset, d),
  );
}

/// 4 values of a head from the d-th on; 0 for those that do not exist.
fn packed(sequence: u32, row: u32, offset: u32, d: u32) -> vec4f {
  if (row >= T || d >= D) { return vec4f(); }
  let values = qkv_four((sequence + row) * (H + 2u * G) * D + offset + d);
  return select(vec4f(), values, vec4u(d) + vec4u(0u, 1u, 2u, 3u) < vec4u(D));
}

/// An invocation's 4 vectors become one each of 4 depths.
fn store_left(part: mat4x4f, depth: u32, place: u32) {
  let turned = transpose(part);
  left[at(depth, place)] = turned[0];
  left[at(depth + 1u, place)] = turned[1];
  left[at(depth + 2u, place)] = turned[2];
  left[at(depth + 3u, place)] = turned[3];
}

fn store_right(part: mat4x4f, depth: u32, place: u32) {
  let turned = transpose(part);
  right[at(depth, place)] = turned[0];
  right[at(depth + 1u, place)] = turned[1];
  right[at(depth + 2u, place)] = turned[2];
  right[at(depth + 3u, place)] = turned[3];
}

/// A place in `left` or `right`: the vector of this depth that the row or column `place` of the workgroup reads. Depths
/// in the order of their fours change the bank, so that neither a row nor a column of vectors is in one bank.
fn at(depth: u32, place: u32) -> u32 {
  return depth * SIDE + (place ^ (depth / PART));
}

/// before + leftᵀ · right over so many depths, between barriers.
fn add_product(depths: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  workgroupBarrier();
  var part = before;
  for (var depth = 0u; depth < depths; depth += PART) {
    let row = at(depth, lane / SIDE);
    let column = at(depth, lane % SIDE);
    part = add_outer(left[row], right[column], part);
    part = add_outer(left[row + SIDE], right[column + SIDE], part);
    part = add_outer(left[row + 2u * SIDE], right[column + 2u * SIDE], part);
    part = add_outer(left[row + 3u * SIDE], right[column + 3u * SIDE], part);
  }
  workgroupBarrier();
  return part;
}

fn add_outer(rows: vec4f, columns: vec4f, part: mat4x4f) -> mat4x4f {
  return mat4x4f(
    fma(vec4f(rows[0]), columns, part[0]),
    fma(vec4f(rows[1]), columns, part[1]),
    fma(vec4f(rows[2]), columns, part[2]),
    fma(vec4f(rows[3]), columns, part[3]),
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
  partial[lane] = mine;
  workgroupBarrier();
  var found = mine;
  for (var i = 0u; i < SIDE; i++) { found = max(found, partial[lane / SIDE * SIDE + i]); }
  return found;
}

/// The sum of each of the invocation's rows over all its columns.
fn row_totals(sums: vec4f, lane: u32) -> vec4f {
  partial[lane] = sums;
  workgroupBarrier();
  var found = vec4f();
  for (var i = 0u; i < SIDE; i++) { found += partial[lane / SIDE * SIDE + i]; }
  return found;
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
  if (row >= T || d >= D) { return; }
  put_y(((sequence + row) * H + head) * D + d, values, D - d);
}
