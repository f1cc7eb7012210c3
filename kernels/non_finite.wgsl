// counts = how many values of each tensor are NaN or infinite, one workgroup a tensor, if norm says that there are any.
// A compiler may assume that there is no NaN, so it is the bits that are tested.

override COUNT: u32;
override TENSORS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

const LANES = 256u;
const EXPONENT = 0x7f800000u;
var<workgroup> shares: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tensor = group.x + group.y * groups.x;
  if (tensor >= TENSORS || norm[1] == 0.0) { return; }

  var share = 0u;
  for (var i = starts[tensor] + lane; i < min(starts[tensor + 1u], COUNT); i += LANES) {
    if ((bitcast<u32>(x[i]) & EXPONENT) == EXPONENT) { share++; }
  }
  shares[lane] = share;

  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shares[lane] += shares[lane + half]; }
  }

  if (lane == 0u) { counts[tensor] = shares[0]; }
}
