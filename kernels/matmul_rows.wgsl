// A product with at most four rows: nothing is read twice, so nothing is staged. A workgroup makes 8 columns of y; for
// each of them 32 invocations take every 32nd four values of its row of b, and the tree below adds their shares in a
// fixed order. TRANSPOSE_A is 0 and TRANSPOSE_B is 1, so neighbours read neighbouring values.

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

const COLUMNS = 8u;
const SHARES = 32u;
const FOURS = COLUMNS / 4u; // that an invocation stores

var<workgroup> share: array<vec4f, COLUMNS * SHARES>;

@compute @workgroup_size(COLUMNS * SHARES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first_column = (group.x + group.y * groups.x) * COLUMNS;
  let start = min(first_column + lane / SHARES, N - 1u) * K;
  var sums = vec4f();
  for (var k = lane % SHARES * 4u; k < K; k += SHARES * 4u) {
    let right = inside(b_four(start + k), k);
    sums.x += dot(inside(a_four(k), k), right);
    if (M > 1u) { sums.y += dot(inside(a_four(K + k), k), right); }
    if (M > 2u) { sums.z += dot(inside(a_four(2u * K + k), k), right); }
    if (M > 3u) { sums.w += dot(inside(a_four(3u * K + k), k), right); }
  }
  share[lane] = sums;

  for (var half = SHARES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane % SHARES < half) { share[lane] += share[lane + half]; }
  }
  workgroupBarrier();

  let row = lane / FOURS;
  let first = lane % FOURS * 4u;
  let column = first_column + first;
  if (row >= M || column >= N) { return; }
  let i = row * N + column;
  var values = vec4f(
    share[first * SHARES][row],
    share[(first + 1u) * SHARES][row],
    share[(first + 2u) * SHARES][row],
    share[(first + 3u) * SHARES][row],
  );
  if (BIAS == 1u) { values += bias_four(column); }
  if (RESIDUAL == 1u) { values += residual_four(i); }
  if (ACCUMULATE == 1u) { values += y_four(i); }
  put_y(i, values, N - column);
}

/// Of 4 values from the k-th of a row on those that are in it, else 0.
fn inside(values: vec4f, k: u32) -> vec4f {
  return select(vec4f(), values, vec4u(k) + vec4u(0u, 1u, 2u, 3u) < vec4u(K));
}
