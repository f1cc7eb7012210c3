// y = x, or y += x, one invocation a place.

override COUNT: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> x: array<stored_x>;
@group(0) @binding(1) var<storage, read_write> y: array<stored_y>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  if (i >= COUNT / WIDTH) { return; }
  var value = reals(x[i]);
  if (ACCUMULATE == 1u) { value += reals(y[i]); }
  y[i] = to_y(value);
}
