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

var<workgroup> left: array<vec4f, TILE * SIDE>; // a slice of the queries or of dy, then the tile's ds
var<workgroup> right: array<vec4f, TILE * SIDE>; // a slice of the keys or of the values
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
      scores = add_product(min(TILE, D), lane, scores);
      load_upstream(sequence, first_row, head, d, lane);
      load_right(sequence, first_key, v_offset, d, lane);
      dp = add_product(min(TILE, D), lane, dp);
    }

    let keys = vec4u(first_key + lane % SIDE * PART) + vec4u(0u, 1u, 2u, 3u);
    store_left(
      mat4x4f(
        score_gradient(scores[0] * scale, dp[0], keys, row, statistics),
        score_gradient(scores[1] * scale, dp[1], keys, row + 1u, statistics),
        score_gradient(scores[2] * scale, dp[2], keys, row + 2u, statistics),
        score_gradient(scores[3] * scale, dp[3], keys, row + 3u, statistics),
      ),
      lane % SIDE * PART,
      lane / SIDE,
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

/// dot = Σ dy · y for the workgroup's rows, half of its invocations one each. The barriers of `add_product` come before the
/// first use.
fn store_means(sequence: u32, first_row: u32, head: u32, statistics: u32, lane: u32) {
  let row = first_row + lane;
  if (lane >= TILE || row >= T) { return; }
  let start = ((sequence + row) * H + head) * D;
  var sum = 0.0;
  for (var d = 0u; d < D; d += PART) {
    let inside = vec4u(d) + vec4u(0u, 1u, 2u, 3u) < vec4u(D);
    let upstreams = select(vec4f(), dy_four(start + d), inside);
    let outputs = select(vec4f(), y_four(start + d), inside);
    sum = fma(upstreams.x, outputs.x, sum);
    sum = fma(upstreams.y, outputs.y, sum);
    sum = fma(upstreams.z, outputs.z, sum);
    sum = fma(upstreams.w, outputs.w, sum);
  }
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
  for (var i = lane; i < TILE * SIDE; i += LANES) {
    right[at(i / SIDE, i % SIDE)] = packed(sequence, first_key + i / SIDE, offset, first_d + i % SIDE * PART);
  }
  return add_product(TILE, lane, before);
}

fn load_queries(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_left(packed_rows(sequence, first + lane / SIDE * PART, offset, first_d + depth), depth, lane / SIDE);
}

fn load_upstream(sequence: u32, first: u32, head: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_left(upstream_rows(sequence, first + lane / SIDE * PART, head, first_d + depth), depth, lane / SIDE);
}

fn load_right(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
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

fn upstream_rows(sequence: u32, row: u32, head: u32, d: u32) -> mat4x4f {
  return mat4x4f(
    upstream(sequence, row, head, d),
    upstream(sequence, row + 1u, head, d),
    upstream(sequence, row + 2u, head, d),
    upstream(sequence, row + 3u, head, d),
  );
}

/// 4 values of a head from the d-th on; 0 for those that do not exist.
fn packed(sequence: u32, row: u32, offset: u32, d: u32) -> vec4f {
  if (row >= T || d >= D) { return vec4f(); }
  let values = qkv_four((sequence + row) * (H + 2u * G) * D + offset + d);
  return select(vec4f(), values, vec4u(d) + vec4u(0u, 1u, 2u, 3u) < vec4u(D));
}

fn upstream(sequence: u32, row: u32, head: u32, d: u32) -> vec4f {
  if (row >= T || d >= D) { return vec4f(); }
  let values = dy_four(((sequence + row) * H + head) * D + d);
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

fn store_slice(sequence: u32, first_row: u32, offset: u32, first_d: u32, lane: u32, part: mat4x4f) {
  let row = first_row + lane / SIDE * PART;
  let d = first_d + lane % SIDE * PART;
  store_row(sequence, row, offset, d, part[0]);
  store_row(sequence, row + 1u, offset, d, part[1]);
  store_row(sequence, row + 2u, offset, d, part[2]);
  store_row(sequence, row + 3u, offset, d, part[3]);
}

fn store_row(sequence: u32, row: u32, offset: u32, d: u32, values: vec4f) {
  if (row >= T || d >= D) { return; }
  put_dqkv((sequence + row) * (H + 2u * G) * D + offset + d, values, D - d);
}
