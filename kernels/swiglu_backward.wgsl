// Gradients of gate and up, one invocation for both of one value. Rows of x and dx are F of gate, then F of up;
// dy is (N, F).

override N: u32;
override F: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<stored_x>;
@group(0) @binding(2) var<storage, read_write> dx: array<stored_dx>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  if (i >= N * F) { return; }
  let at = i / F * 2u * F + i % F;
  let gate = f32(x[at]);
  let small = exp(-abs(gate)); // of |gate|: it cannot overflow, and neither sigma nor its complement cancels
  let sigma = select(small, 1.0, gate >= 0.0) / (1.0 + small);
  let complement = select(1.0, small, gate >= 0.0) / (1.0 + small);
  var dgate = f32(dy[i]) * f32(x[at + F]) * sigma * (1.0 + gate * complement);
  var dup = f32(dy[i]) * gate * sigma;
  if (ACCUMULATE == 1u) {
    dgate += f32(dx[at]);
    dup += f32(dx[at + F]);
  }
  dx[at] = to_dx(dgate);
  dx[at + F] = to_dx(dup);
}
