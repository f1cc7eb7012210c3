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

const LOWEST = -1.0e30; // below every score; an infinity would make NaN of a difference

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
      store_left(qkv_part(sequence, first_row, q_offset, d, lane), lane);
      store_right(qkv_part(sequence, first_key, k_offset, d, lane), lane);
      scores = add_product(min(TILE, D), lane, scores);
    }
    scores = masked(scores * inverseSqrt(f32(D)), first_row, first_key, lane);

    let before = largest;
    largest = max(before, row_maxima(scores, lane));
    let weights = exponentials(scores, largest);
    let fade = exp(before - largest);
    sums = fma(sums, fade, row_sums(weights));
    store_left(weights, lane);

    y0 = add_qkv(sequence, first_key, v_offset, 0u, lane, faded(y0, fade));
    if (D > TILE) { y1 = add_qkv(sequence, first_key, v_offset, TILE, lane, faded(y1, fade)); }
    if (D > 2u * TILE) { y2 = add_qkv(sequence, first_key, v_offset, 2u * TILE, lane, faded(y2, fade)); }
    if (D > 3u * TILE) { y3 = add_qkv(sequence, first_key, v_offset, 3u * TILE, lane, faded(y3, fade)); }
  }

  let totals = row_totals(sums, lane);
  store_y(sequence, first_row, q_offset, 0u, lane, faded(y0, 1.0 / totals));
  if (D > TILE) { store_y(sequence, first_row, q_offset, TILE, lane, faded(y1, 1.0 / totals)); }
  if (D > 2u * TILE) { store_y(sequence, first_row, q_offset, 2u * TILE, lane, faded(y2, 1.0 / totals)); }
  if (D > 3u * TILE) { store_y(sequence, first_row, q_offset, 3u * TILE, lane, faded(y3, 1.0 / totals)); }
  if (lane % SIDE == 0u) {
    let logarithms = largest + log(totals);
    for (var i = 0u; i < PART; i++) {
      let row = first_row + lane / SIDE * PART + i;
      if (row < T) { lse[(group.z * H + head) * T + row] = logarithms[i]; }
    }
  }
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
