// A product with at most four rows: nothing is read twice, so nothing is staged. A workgroup makes 8 columns of y; for
// each of them 32 invocations take every 32nd value of its row of b, and the tree below adds their shares in a fixed
// order. TRANSPOSE_A is 0 and TRANSPOSE_B is 1, so neighbours read neighbouring words.

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

var<workgroup> share: array<vec4f, COLUMNS * SHARES>;

@compute @workgroup_size(COLUMNS * SHARES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let column = (group.x + group.y * groups.x) * COLUMNS + lane / SHARES;
  let start = min(column, N - 1u) * K;
  var sums = vec4f();
  for (var k = lane % SHARES; k < K; k += SHARES) {
    var left = vec4f(f32(a[k])); // rows that are not there are the first again: their sums are not stored
    if (M > 1u) { left.y = f32(a[K + k]); }
    if (M > 2u) { left.z = f32(a[2u * K + k]); }
    if (M > 3u) { left.w = f32(a[3u * K + k]); }
    sums = fma(left, vec4f(f32(b[start + k])), sums);
  }
  share[lane] = sums;

  for (var half = SHARES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane % SHARES < half) { share[lane] += share[lane + half]; }
  }
  workgroupBarrier();

  let row = lane % SHARES;
  if (row >= M || column >= N) { return; }
  let i = row * N + column;
  var value = share[lane - row][row];
  if (BIAS == 1u) { value += bias[column]; }
  if (RESIDUAL == 1u) { value += residual[i]; }
  if (ACCUMULATE == 1u) { value += f32(y[i]); }
  y[i] = to_y(value);
}
