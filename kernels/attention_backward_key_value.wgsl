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
        store_left(qkv_part(sequence, first_key, k_offset, d, lane), lane);
        store_right(qkv_part(sequence, first_row, head * D, d, lane), lane);
        scores = add_product(min(TILE, D), lane, scores);
        store_left(qkv_part(sequence, first_key, v_offset, d, lane), lane);
        store_right(dy_part(sequence, first_row, head * D, d, lane), lane);
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

      store_left(p, lane);
      dv0 = add_dy(sequence, first_row, head * D, 0u, lane, dv0);
      if (D > TILE) { dv1 = add_dy(sequence, first_row, head * D, TILE, lane, dv1); }
      if (D > 2u * TILE) { dv2 = add_dy(sequence, first_row, head * D, 2u * TILE, lane, dv2); }
      if (D > 3u * TILE) { dv3 = add_dy(sequence, first_row, head * D, 3u * TILE, lane, dv3); }

      let ds = mat4x4f(
        p[0] * (dp[0] - row_dot),
        p[1] * (dp[1] - row_dot),
        p[2] * (dp[2] - row_dot),
        p[3] * (dp[3] - row_dot),
      );
      store_left(ds, lane);
      dk0 = add_qkv(sequence, first_row, head * D, 0u, lane, dk0);
      if (D > TILE) { dk1 = add_qkv(sequence, first_row, head * D, TILE, lane, dk1); }
      if (D > 2u * TILE) { dk2 = add_qkv(sequence, first_row, head * D, 2u * TILE, lane, dk2); }
      if (D > 3u * TILE) { dk3 = add_qkv(sequence, first_row, head * D, 3u * TILE, lane, dk3); }
    }
  }

  store_dqkv(sequence, first_key, k_offset, 0u, lane, dk0 * scale);
  store_dqkv(sequence, first_key, v_offset, 0u, lane, dv0);
  if (D > TILE) {
    store_dqkv(sequence, first_key, k_offset, TILE, lane, dk1 * scale);
    store_dqkv(sequence, first_key, v_offset, TILE, lane, dv1);
  }
  if (D > 2u * TILE) {
    store_dqkv(sequence, first_key, k_offset, 2u * TILE, lane, dk2 * scale);
    store_dqkv(sequence, first_key, v_offset, 2u * TILE, lane, dv2);
  }
  if (D > 3u * TILE) {
    store_dqkv(sequence, first_key, k_offset, 3u * TILE, lane, dk3 * scale);
    store_dqkv(sequence, first_key, v_offset, 3u * TILE, lane, dv3);
  }
}

/// p = exp(score − lse) of one key for 4 rows; 0 for rows that do not see it or do not exist.
fn probabilities(exponents: vec4f, rows: vec4u, key: u32) -> vec4f {
  return select(vec4f(), exp(exponents), (rows >= vec4u(key)) & (rows < vec4u(T)));
}
