// dx = dy * GELU'(x), one invocation a place. With s the logistic function of 2 u, (1 + tanh u) / 2 is s and
// (1 - tanh² u) / 2 is 2 s (1 - s): see gelu.wgsl for why.

override COUNT: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<stored_x>;
@group(0) @binding(2) var<storage, read_write> dx: array<stored_dx>;

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
  let z = clamp(reals(x[i]), reals(-20.0), reals(20.0)); // beyond, the slope is 0 or 1, and the cube could overflow
  let inner = ROOT_2_OVER_PI * (z + 0.044715 * z * z * z);
  let inner_slope = ROOT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * z * z);
  let small = exp(min(-2.0 * abs(inner), reals(80.0))); // of |u|, so that neither s nor 1 - s cancels
  let s = select(small, reals(1.0), inner >= reals()) / (1.0 + small);
  let product = small / ((1.0 + small) * (1.0 + small)); // s (1 - s)
  var gradient = reals(dy[i]) * (s + 2.0 * z * product * inner_slope);
  if (ACCUMULATE == 1u) { gradient += reals(dx[i]); }
  dx[i] = to_dx(gradient);
}
