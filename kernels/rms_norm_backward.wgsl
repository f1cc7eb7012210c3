// dx = inverse · (g − x̂ · mean(g · x̂)) with g = dy · w and x̂ = x · inverse, one workgroup a row.
// x, dy, dx are (N, C); w is (C); inverse is (N).

override N: u32;
override C: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<reals>;
@group(0) @binding(2) var<storage, read> w: array<reals>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<reals>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  lane: Lane,
) {
  let row = group.x + group.y * groups.x;
  if (row < N) { differentiate(row, lane); }
}

fn differentiate(row: u32, lane: Lane) {
  let width = C / WIDTH;
  let start = row * width;
  let scale = inverse[row];

  var products = reals();
  for (var c = lane.index; c < width; c += LANES) {
    products = fma(reals(dy[start + c]) * w[c], x[start + c] * scale, products);
  }
  let mean = sum_of_all(across(products), lane) / f32(C);

  for (var c = lane.index; c < width; c += LANES) {
    let i = start + c;
    var gradient = scale * (reals(dy[i]) * w[c] - x[i] * scale * mean);
    if (ACCUMULATE == 1u) { gradient += dx[i]; }
    dx[i] = gradient;
  }
}
