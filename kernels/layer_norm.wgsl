// y = (x − mean) · inverse · w + b, one workgroup a row. x, y are (N, C); w, b are (C); mean, inverse are (N). Twice
// the row is summed: first for a rough mean, which rounding leaves far off (in units of the deviation) when the mean
// is large; then, measured from there, for what the mean lacks and for the variance. Both trees have a fixed order.

override N: u32;
override C: u32;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> inverse: array<f32>;

const LANES = 64u;
var<workgroup> partial: array<vec2f, LANES>;

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

  var sum = 0.0;
  for (var c = lane; c < C; c += LANES) { sum += x[start + c]; }
  let rough_mean = total(vec2f(sum, 0.0), lane).x / f32(C);

  var moments = vec2f();
  for (var c = lane; c < C; c += LANES) {
    let distance = x[start + c] - rough_mean;
    moments += vec2f(distance, distance * distance);
  }
  moments = total(moments, lane) / f32(C);
  let rest = moments.x;
  let scale = inverseSqrt(max(moments.y - rest * rest, 0.0) + EPSILON);

  for (var c = lane; c < C; c += LANES) {
    y[start + c] = to_y((x[start + c] - rough_mean - rest) * scale * w[c] + b[c]);
  }
  if (lane == 0u) {
    mean[row] = rough_mean + rest;
    inverse[row] = scale;
  }
}

/// Sum over the workgroup, known to all.
fn total(share: vec2f, lane: u32) -> vec2f {
  workgroupBarrier();
  partial[lane] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  return partial[0];
}
