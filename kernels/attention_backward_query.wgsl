// Attention's gradient to the queries. qkv, dqkv are (B·T, (H + 2G)·D), dy, y are (B·T, H·D), lse and dot are (B, H, T).
//
// As `attention.wgsl`, whose comment explains tiles, parts and slices: a workgroup takes 32 query rows of one head
// and lets the tiles of 32 keys that they see go by. The probabilities come again from the scores and lse, so there
// is no softmax.

override B: u32;
override T: u32;
override H: u32;
override G: u32;
override D: u32;

@group(0) @binding(0) var<storage, read> qkv: array<stored_qkv>;
@group(0) @binding(1) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(2) var<storage, read> y: array<stored_y>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> dot: array<f32>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<stored_dqkv>;

const TILE = 32u; // rows, keys, and values of a head in one slice
const PART = 4u;
const SIDE = TILE / PART; // the workgroup is SIDE × SIDE invocations
const LANES = SIDE * SIDE;
const STRIDE = TILE + 1u; // the padding keeps a column of a tile out of one memory bank

var<workgroup> left: array<f32, TILE * STRIDE>; // a slice of the queries or of dy, then the tile's ds
var<workgroup> right: array<f32, TILE * STRIDE>; // a slice of the keys or of the values
var<workgroup> means: array<f32, TILE>; // dot of each row

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.y;
  let sequence = group.z * T; // its first row
  let first_row = group.x * TILE;
  let q_offset = head * D;
  let k_offset = (H + head / (H / G)) * D;
  let v_offset = k_offset + G * D;
  let scale = inverseSqrt(f32(D));
  let statistics = (group.z * H + head) * T;
  let row = first_row + lane / SIDE * PART;

  store_means(sequence, first_row, head, statistics, lane);

  var dq0 = mat4x4f(); // values 0 … 31 of the head,
  var dq1 = mat4x4f(); // 32 … 63,
  var dq2 = mat4x4f(); // 64 … 95
  var dq3 = mat4x4f(); // and 96 … 127
  for (var first_key = 0u; first_key <= first_row; first_key += TILE) {
    var scores = mat4x4f(); // q · k
    var dp = mat4x4f(); // dy · v
    for (var d = 0u; d < D; d += TILE) {
      load_queries(sequence, first_row, q_offset, d, lane);
      load_right(sequence, first_key, k_offset, d, lane);
      scores = add_dots(lane, scores);
      load_upstream(sequence, first_row, head, d, lane);
      load_right(sequence, first_key, v_offset, d, lane);
      dp = add_dots(lane, dp);
    }

    let keys = vec4u(first_key + lane % SIDE * PART) + vec4u(0u, 1u, 2u, 3u);
    store_left(
      mat4x4f(
        score_gradient(scores[0] * scale, dp[0], keys, row, statistics),
        score_gradient(scores[1] * scale, dp[1], keys, row + 1u, statistics),
        score_gradient(scores[2] * scale, dp[2], keys, row + 2u, statistics),
        score_gradient(scores[3] * scale, dp[3], keys, row + 3u, statistics),
      ),
      lane,
    );

    dq0 = add_keys(sequence, first_key, k_offset, 0u, lane, dq0);
    if (D > TILE) { dq1 = add_keys(sequence, first_key, k_offset, TILE, lane, dq1); }
    if (D > 2u * TILE) { dq2 = add_keys(sequence, first_key, k_offset, 2u * TILE, lane, dq2); }
    if (D > 3u * TILE) { dq3 = add_keys(sequence, first_key, k_offset, 3u * TILE, lane, dq3); }
  }

  store_slice(sequence, first_row, q_offset, 0u, lane, dq0 * scale);
  if (D > TILE) { store_slice(sequence, first_row, q_offset, TILE, lane, dq1 * scale); }
  if (D > 2u * TILE) { store_slice(sequence, first_row, q_offset, 2u * TILE, lane, dq2 * scale); }
  if (D > 3u * TILE) { store_slice(sequence, first_row, q_offset, 3u * TILE, lane, dq3 * scale); }
}

/// dot = Σ dy · y for the workgroup's rows, half of its invocations one each. The barriers of `add_dots` come before the
/// first use.
fn store_means(sequence: u32, first_row: u32, head: u32, statistics: u32, lane: u32) {
  let row = first_row + lane;
  if (lane >= TILE || row >= T) { return; }
  let start = ((sequence + row) * H + head) * D;
  var sum = 0.0;
  for (var d = 0u; d < D; d++) { sum = fma(f32(dy[start + d]), f32(y[start + d]), sum); }
  means[lane] = sum;
  dot[statistics + row] = sum;
}

/// ds = p · (dp − dot) for 4 keys of one row; 0 for the keys that the row does not see.
fn score_gradient(scores: vec4f, dp: vec4f, keys: vec4u, row: u32, statistics: u32) -> vec4f {
  if (row >= T) { return vec4f(); }
  let ds = exp(scores - lse[statistics + row]) * (dp - means[row % TILE]);
  return select(ds, vec4f(), keys > vec4u(row));
}

/// before + the tile's ds · one slice of its keys
fn add_keys(sequence: u32, first_key: u32, offset: u32, first_d: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  load_right(sequence, first_key, offset, first_d, lane);
  return add_product(lane, before);
}

fn load_queries(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    left[i / TILE * STRIDE + i % TILE] = packed(sequence, first + i / TILE, offset, first_d + i % TILE);
  }
}

fn load_upstream(sequence: u32, first: u32, head: u32, first_d: u32, lane: u32) {
  for (var i = lane; i < TILE * TILE; i += LANES) {
    left[i / TILE * STRIDE + i % TILE] = upstream(sequence, first + i / TILE, head, first_d + i % TILE);
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
