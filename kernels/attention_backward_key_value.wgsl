// Attention's gradients to keys and values. qkv, dqkv are (B·T, (H + 2G)·D), dy is (B·T, H·D), lse, dot are (B, H, T).
//
// As `attention.wgsl`, whose comment explains tiles, parts and slices, with keys for rows: a workgroup takes 32 keys
// of one key-value head and lets the tiles of 32 query rows that see them go by, for one after another of the query
// heads that share it. So scores, p and ds are transposed here: one vector a key, its components 4 query rows.

override B: u32;
override T: u32;
override H: u32;
override G: u32;
override D: u32;

@group(0) @binding(0) var<storage, read> qkv: array<stored_qkv>;
@group(0) @binding(1) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> dot: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<stored_dqkv>;

const TILE = 32u; // rows, keys, and values of a head in one slice
const PART = 4u;
const SIDE = TILE / PART; // the workgroup is SIDE × SIDE invocations
const LANES = SIDE * SIDE;
const STRIDE = TILE + 1u; // the padding keeps a column of a tile out of one memory bank

var<workgroup> left: array<f32, TILE * STRIDE>; // a slice of the keys or of the values, then the tile's p or ds
var<workgroup> right: array<f32, TILE * STRIDE>; // a slice of the queries or of dy

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sharing = H / G; // query heads that share the key-value head
  let sequence = group.z * T; // its first row
  let first_key = group.x * TILE;
  let k_offset = (H + group.y) * D;
  let v_offset = k_offset + G * D;
  let scale = inverseSqrt(f32(D));
  let key = first_key + lane / SIDE * PART;

  var dk0 = mat4x4f(); // values 0 … 31 of the head,
  var dk1 = mat4x4f(); // 32 … 63,
  var dk2 = mat4x4f(); // 64 … 95
  var dk3 = mat4x4f(); // and 96 … 127
  var dv0 = mat4x4f(); // the same values of dv
  var dv1 = mat4x4f();
  var dv2 = mat4x4f();
  var dv3 = mat4x4f();
  for (var head = group.y * sharing; head < (group.y + 1u) * sharing; head++) {
    for (var first_row = first_key; first_row < T; first_row += TILE) {
      var scores = mat4x4f(); // k · q
      var dp = mat4x4f(); // v · dy
      for (var d = 0u; d < D; d += TILE) {
        load_left(sequence, first_key, k_offset, d, lane);
        load_queries(sequence, first_row, head, d, lane);
        scores = add_dots(lane, scores);
        load_left(sequence, first_key, v_offset, d, lane);
        load_upstream(sequence, first_row, head, d, lane);
        dp = add_dots(lane, dp);
      }

      let rows = vec4u(first_row + lane % SIDE * PART) + vec4u(0u, 1u, 2u, 3u);
      let statistics = vec4u((group.z * H + head) * T) + min(rows, vec4u(T - 1u));
      let row_lse = vec4f(lse[statistics.x], lse[statistics.y], lse[statistics.z], lse[statistics.w]);
      let row_dot = vec4f(dot[statistics.x], dot[statistics.y], dot[statistics.z], dot[statistics.w]);
      let p = mat4x4f(
        probabilities(scores[0] * scale - row_lse, rows, key),
        probabilities(scores[1] * scale - row_lse, rows, key + 1u),
        probabilities(scores[2] * scale - row_lse, rows, key + 2u),
        probabilities(scores[3] * scale - row_lse, rows, key + 3u),
      );

      store_left(p, lane);
      dv0 = add_upstream(sequence, first_row, head, 0u, lane, dv0);
      if (D > TILE) { dv1 = add_upstream(sequence, first_row, head, TILE, lane, dv1); }
      if (D > 2u * TILE) { dv2 = add_upstream(sequence, first_row, head, 2u * TILE, lane, dv2); }
      if (D > 3u * TILE) { dv3 = add_upstream(sequence, first_row, head, 3u * TILE, lane, dv3); }

      let ds = mat4x4f(
        p[0] * (dp[0] - row_dot),
        p[1] * (dp[1] - row_dot),
        p[2] * (dp[2] - row_dot),
        p[3] * (dp[3] - row_dot),
      );
      store_left(ds, lane);
      dk0 = add_queries(sequence, first_row, head, 0u, lane, dk0);
      if (D > TILE) { dk1 = add_queries(sequence, first_row, head, TILE, lane, dk1); }
      if (D > 2u * TILE) { dk2 = add_queries(sequence, first_row, head, 2u * TILE, lane, dk2); }
      if (D > 3u * TILE) { dk3 = add_queries(sequence, first_row, head, 3u * TILE, lane, dk3); }
    }
  }

  store_slice(sequence, first_key, k_offset, 0u, lane, dk0 * scale);
  store_slice(sequence, first_key, v_offset, 0u, lane, dv0);
  if (D > TILE) {
    store_slice(sequence, first_key, k_offset, TILE, lane, dk1 * scale);
    store_slice(sequence, first_key, v_offset, TILE, lane, dv1);
  }
  if (D > 2u * TILE) {
    store_slice(sequence, first_key, k_offset, 2u * TILE, lane, dk2 * scale);
    store_slice(sequence, first_key, v_offset, 2u * TILE, lane, dv2);
  }
  if (D > 3u * TILE) {
    store_slice(sequence, first_key, k_offset, 3u * TILE, lane, dk3 * scale);
    store_slice(sequence, first_key, v_offset, 3u * TILE, lane, dv3);
  }
}

/// p = exp(score − lse) of one key for 4 rows; 0 for rows that do not see it or do not exist.
fn probabilities(exponents: vec4f, rows: vec4u, key: u32) -> vec4f {
  return select(vec4f(), exp(exponents), (rows >= vec4u(key)) & (rows < vec4u(T)));
}

/// before + the tile's p · one slice of its dy
fn add_upstream(sequence: u32, first_row: u32, head: u32, first_d: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  load_upstream(sequence, first_row, head, first_d, lane);
  return add_product(lane, before);
}

/// before + the tile's ds · one slice of its queries
fn add_queries(sequence: u32, first_row: u32, head: u32, first_d: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  load_queries(sequence, first_row, head, first_d, lane);
  return add_product(lane, before);
}

fn load_left(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    left[i / TILE * STRIDE + i % TILE] = packed(sequence, first + i / TILE, offset, first_d + i % TILE);
  }
}

fn load_queries(sequence: u32, first: u32, head: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    right[i / TILE * STRIDE + i % TILE] = packed(sequence, first + i / TILE, head * D, first_d + i % TILE);
  }
}

fn load_upstream(sequence: u32, first: u32, head: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    right[i / TILE * STRIDE + i % TILE] = upstream(sequence, first + i / TILE, head, first_d + i % TILE);
  }
}

fn packed(sequence: u32, row: u32, offset: u32, d: u32) -> f32 {
  if (row >= T || d >= D) { return 0.0; }
  return f32(qkv[(sequence + row) * (H + 2u * G) * D + offset + d]);
}

fn upstream(sequence: u32, row: u32, head: u32, d: u32) -> f32 {
  if (row >= T || d >= D) { return 0.0; }
  return f32(dy[((sequence + row) * H + head) * D + d]);
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

fn store_slice(sequence: u32, first_row: u32, offset: u32, first_d: u32, lane: u32, part: mat4x4f) {
  let row = first_row + lane / SIDE * PART;
  let d = first_d + lane % SIDE * PART;
  store_row(sequence, row, offset, d, part[0]);
  store_row(sequence, row + 1u, offset, d, part[1]);
  store_row(sequence, row + 2u, offset, d, part[2]);
  store_row(sequence, row + 3u, offset, d, part[3]);
}

fn store_row(sequence: u32, row: u32, offset: u32, d: u32, values: vec4f) {
  if (row >= T) { return; }
  let start = (sequence + row) * (H + 2u * G) * D + offset + d;
  if (d < D) { dqkv[start] = to_dqkv(values[0]); }
  if (d + 1u < D) { dqkv[start + 1u] = to_dqkv(values[1]); }
  if (d + 2u < D) { dqkv[start + 2u] = to_dqkv(values[2]); }
  if (d + 3u < D) { dqkv[start + 3u] = to_dqkv(values[3]); }
}
