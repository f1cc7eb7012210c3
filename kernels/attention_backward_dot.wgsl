// dot = Σ dy · y over a head. dy, y are (B·T, H, D), dot is (B, H, T). One invocation a head of a row.

override B: u32;
override T: u32;
override H: u32;
override D: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dot: array<f32>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = (group.x + group.y * groups.x) * LANES + lane;
  if (item >= B * T * H) { return; }
  let row = item / H;
  let head = item % H;
  var sum = 0.0;
  for (var d = 0u; d < D; d++) { sum = fma(dy[item * D + d], y[item * D + d], sum); }
  dot[(row / T * H + head) * T + row % T] = sum;
}
