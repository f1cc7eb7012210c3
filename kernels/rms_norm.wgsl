// y = x · inverse · w with inverse = 1 / sqrt(mean(x²) + ε), one workgroup a row. x, y are (N, C); w is (C); inverse
// is (N). Each of the 64 invocations sums a strided share of the row.

override N: u32;
override C: u32;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> x: array<reals>;
@group(0) @binding(1) var<storage, read> w: array<reals>;
@group(0) @binding(2) var<storage, read_write> y: array<stored_y>;
@group(0) @binding(3) var<storage, read_write> inverse: array<f32>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  lane: Lane,
) {
  let row = group.x + group.y * groups.x;
  if (row < N) { normalise(row, lane); }
}

fn normalise(row: u32, lane: Lane) {
  let width = C / WIDTH;
  let start = row * width;

  var squares = reals();
  for (var c = lane.index; c < width; c += LANES) {
    let value = x[start + c];
    squares = fma(value, value, squares);
  }
  let scale = inverseSqrt(sum_of_all(across(squares), lane) / f32(C) + EPSILON);

  for (var c = lane.index; c < width; c += LANES) {
    y[start + c] = to_y(x[start + c] * scale * w[c]);
  }
  if (lane.index == 0u) { inverse[row] = scale; }
}
