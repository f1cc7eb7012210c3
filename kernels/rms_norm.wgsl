// y = x · inverse · w with inverse = 1 / sqrt(mean(x²) + ε), one workgroup a row. x, y are (N, C); w is (C); inverse
// is (N). Each of the 64 invocations sums a strided share of the row; a tree adds the shares in a fixed order.

override N: u32;
override C: u32;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<stored_y>;
@group(0) @binding(3) var<storage, read_write> inverse: array<f32>;

const LANES = 64u;
var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row < N) { normalise(row, lane); }
}

fn normalise(row: u32, lane: u32) {
  let start = row * C;

  var squares = 0.0;
  for (var c = lane; c < C; c += LANES) {
    let value = x[start + c];
    squares = fma(value, value, squares);
  }
  let scale = inverseSqrt(total(squares, lane) / f32(C) + EPSILON);

  for (var c = lane; c < C; c += LANES) {
    y[start + c] = to_y(x[start + c] * scale * w[c]);
  }
  if (lane == 0u) { inverse[row] = scale; }
}

/// Sum over the workgroup, known to all.
fn total(share: f32, lane: u32) -> f32 {
  partial[lane] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  return partial[0];
}
