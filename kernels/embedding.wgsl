// y[n] = table[ids[n]], one invocation a place. y is (N, C), table is (P, C).

override N: u32;
override P: u32;
override C: u32;

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<reals>;
@group(0) @binding(2) var<storage, read_write> y: array<reals>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  let width = C / WIDTH;
  if (i < N * width) { y[i] = table[ids[i / width] * width + i % width]; }
}
