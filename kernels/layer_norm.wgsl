// y = (x − mean) · inverse · w + b, one workgroup a row. x, y are (N, C); w, b are (C); mean, inverse are (N). Twice
// the row is summed: first for a rough mean, which rounding leaves far off (in units of the deviation) when the mean
// is large; then, measured from there, for what the mean lacks and for the variance.

override N: u32;
override C: u32;
override EPSILON: f32;

@group(0) @binding(0) var<storage, read> x: array<reals>;
@group(0) @binding(1) var<storage, read> w: array<reals>;
@group(0) @binding(2) var<storage, read> b: array<reals>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> inverse: array<f32>;

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

  var sum = reals();
  for (var c = lane.index; c < width; c += LANES) { sum += x[start + c]; }
  let rough_mean = sum_of_all(vec2f(across(sum), 0.0), lane).x / f32(C);

  var distances = reals();
  var squares = reals();
  for (var c = lane.index; c < width; c += LANES) {
    let distance = x[start + c] - rough_mean;
    distances += distance;
    squares = fma(distance, distance, squares);
  }
  let moments = sum_of_all(vec2f(across(distances), across(squares)), lane) / f32(C);
  let rest = moments.x;
  let scale = inverseSqrt(max(moments.y - rest * rest, 0.0) + EPSILON);

  for (var c = lane.index; c < width; c += LANES) {
    y[start + c] = to_y((x[start + c] - rough_mean - rest) * scale * w[c] + b[c]);
  }
  if (lane.index == 0u) {
    mean[row] = rough_mean + rest;
    inverse[row] = scale;
  }
}
