// y = a + b, one invocation a place.

override COUNT: u32;

@group(0) @binding(0) var<storage, read> a: array<reals>;
@group(0) @binding(1) var<storage, read> b: array<reals>;
@group(0) @binding(2) var<storage, read_write> y: array<reals>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  if (i < COUNT / WIDTH) { y[i] = a[i] + b[i]; }
}
