// delta = anchor - p + DECAY * residual, one invocation a place.

override COUNT: u32;
override DECAY: f32;

@group(0) @binding(0) var<storage, read> anchor: array<reals>;
@group(0) @binding(1) var<storage, read> p: array<reals>;
@group(0) @binding(2) var<storage, read> residual: array<reals>;
@group(0) @binding(3) var<storage, read_write> delta: array<reals>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  if (i < COUNT / WIDTH) { delta[i] = anchor[i] - p[i] + DECAY * residual[i]; }
}
