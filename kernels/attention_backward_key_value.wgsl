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

var<workgroup> left: array<vec4f, TILE * SIDE>; // a slice of the keys or of the values, then the tile's p or ds
var<workgroup> right: array<vec4f, TILE * SIDE>; // a slice of the queries or of dy

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
        scores = add_product(min(TILE, D), lane, scores);
        load_left(sequence, first_key, v_offset, d, lane);
        load_upstream(sequence, first_row, head, d, lane);
        dp = add_product(min(TILE, D), lane, dp);
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

      store_left(p, lane % SIDE * PART, lane / SIDE);
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
      store_left(ds, lane % SIDE * PART, lane / SIDE);
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
  for (var i = lane; i < TILE * SIDE; i += LANES) {
    right[at(i / SIDE, i % SIDE)] = upstream(sequence, first_row + i / SIDE, head, first_d + i % SIDE * PART);
  }
  return add_product(TILE, lane, before);
}

/// before + the tile's ds · one slice of its queries
fn add_queries(sequence: u32, first_row: u32, head: u32, first_d: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  for (var i = lane; i < TILE * SIDE; i += LANES) {
    right[at(i / SIDE, i % SIDE)] = packed(sequence, first_row + i / SIDE, head * D, first_d + i % SIDE * PART);
  }
  return add_product(TILE, lane, before);
}

fn load_left(sequence: u32, first: u32, offset: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_left(packed_rows(sequence, first + lane / SIDE * PART, offset, first_d + depth), depth, lane / SIDE);
}

fn load_queries(sequence: u32, first: u32, head: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_right(packed_rows(sequence, first + lane / SIDE * PART, head * D, first_d + depth), depth, lane / SIDE);
}

fn load_upstream(sequence: u32, first: u32, head: u32, first_d: u32, lane: u32) {
  let depth = lane % SIDE * PART;
  store_right(upstream_rows(sequence, first + lane / SIDE * PART, head, first_d + depth), depth, lane / SIDE);
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
