// dx = inverse · (g − x̂ · mean(g · x̂)) with g = dy · w and x̂ = x · inverse, one workgroup a row.
// x, dy, dx are (N, C); w is (C); inverse is (N). A tree adds the shares of the 64 invocations in a fixed order.

override N: u32;
override C: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

const LANES = 64u;
var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row < N) { differentiate(row, lane); }
}

fn differentiate(row: u32, lane: u32) {
  let start = row * C;
  let scale = inverse[row];

  var dot = 0.0;
  for (var c = lane; c < C; c += LANES) {
    dot = fma(f32(dy[start + c]) * w[c], x[start + c] * scale, dot);
  }
  let mean = total(dot, lane) / f32(C);

  for (var c = lane; c < C; c += LANES) {
    let i = start + c;
    var gradient = scale * (f32(dy[i]) * w[c] - x[i] * scale * mean);
    if (ACCUMULATE == 1u) { gradient += dx[i]; }
    dx[i] = gradient;
  }
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
