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
      store_left(qkv_part(sequence, first_row, q_offset, d, lane), lane);
      store_right(qkv_part(sequence, first_key, k_offset, d, lane), lane);
      scores = add_product(min(TILE, D), lane, scores);
      store_left(dy_part(sequence, first_row, q_offset, d, lane), lane);
      store_right(qkv_part(sequence, first_key, v_offset, d, lane), lane);
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
      lane,
    );

    dq0 = add_qkv(sequence, first_key, k_offset, 0u, lane, dq0);
    if (D > TILE) { dq1 = add_qkv(sequence, first_key, k_offset, TILE, lane, dq1); }
    if (D > 2u * TILE) { dq2 = add_qkv(sequence, first_key, k_offset, 2u * TILE, lane, dq2); }
    if (D > 3u * TILE) { dq3 = add_qkv(sequence, first_key, k_offset, 3u * TILE, lane, dq3); }
  }

  store_dqkv(sequence, first_row, q_offset, 0u, lane, dq0 * scale);
  if (D > TILE) { store_dqkv(sequence, first_row, q_offset, TILE, lane, dq1 * scale); }
  if (D > 2u * TILE) { store_dqkv(sequence, first_row, q_offset, 2u * TILE, lane, dq2 * scale); }
  if (D > 3u * TILE) { store_dqkv(sequence, first_row, q_offset, 3u * TILE, lane, dq3 * scale); }
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
