// One AdamW step, one invocation a place. See adamw.ts for `step`, clipping and the rule for bad gradients.

override COUNT: u32;
override DECAYED: u32;

@group(0) @binding(0) var<storage, read_write> p: array<reals>;
@group(0) @binding(1) var<storage, read> g: array<reals>;
@group(0) @binding(2) var<storage, read_write> m: array<reals>;
@group(0) @binding(3) var<storage, read_write> v: array<reals>;
@group(0) @binding(4) var<storage, read> norm: array<f32>;
@group(0) @binding(5) var<storage, read> step: array<f32>;

const LANES = 256u;
const EXPONENT = 0x7f800000u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  let is_norm_finite = (bitcast<u32>(norm[0]) & EXPONENT) != EXPONENT;
  if (i >= COUNT / WIDTH || !is_norm_finite || norm[1] > 0.0) { return; }

  let rate = step[0];
  let beta1 = step[1];
  let beta2 = step[2];
  let epsilon = step[3];
  let decay = step[4];
  let correction1 = step[5];
  let correction2 = step[6];
  let clip = step[7];

  var gradient = g[i] * norm[2];
  if (clip > 0.0) { gradient *= min(1.0, clip / (norm[0] + 1e-6)); }
  let mean = beta1 * m[i] + (1.0 - beta1) * gradient;
  let square = beta2 * v[i] + (1.0 - beta2) * gradient * gradient;
  var value = p[i];
  if (i < DECAYED / WIDTH) { value -= rate * decay * value; }

  m[i] = mean;
  v[i] = square;
  p[i] = value - rate * (mean / correction1) / (sqrt(square / correction2) + epsilon);
}
