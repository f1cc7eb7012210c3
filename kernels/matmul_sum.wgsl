// y = the sum of the parts of a product, in their order (+ bias) (+ residual or y); one invocation a place.

override M: u32;
override N: u32;
override SPLIT: u32;
override BIAS: u32;
override RESIDUAL: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> partial: array<reals>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  let count = M * N / WIDTH;
  if (i >= count) { return; }
  var value = reals();
  for (var part = 0u; part < SPLIT; part++) { value += partial[part * count + i]; }
  if (BIAS == 1u) { value += bias_from(i * WIDTH % N); }
  if (RESIDUAL == 1u) { value += residual_from(i * WIDTH); }
  if (ACCUMULATE == 1u) { value += reals(y[i]); }
  y[i] = to_y(value);
}
