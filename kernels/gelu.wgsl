// GELU, tanh form, one invocation a place. (1 + tanh u) / 2 is the logistic function of 2 u, which is written here with
// exp: it keeps its relative accuracy where 1 + tanh cancels, and WGSL promises more digits of exp than of tanh.

override COUNT: u32;

@group(0) @binding(0) var<storage, read> x: array<stored_x>;
@group(0) @binding(1) var<storage, read_write> y: array<stored_y>;

const LANES = 256u;
const ROOT_2_OVER_PI = 0.7978845608028654;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  if (i >= COUNT / WIDTH) { return; }
  let value = reals(x[i]);
  let z = clamp(value, reals(-20.0), reals(20.0)); // beyond, the gate is 0 or 1, and the cube could overflow
  let inner = ROOT_2_OVER_PI * fma(0.044715 * z * z, z, z); // an fma, so that every compiler makes it one
  y[i] = to_y(value / (1.0 + exp(min(-2.0 * inner, reals(80.0))))); // exp of more than 88 overflows
}
