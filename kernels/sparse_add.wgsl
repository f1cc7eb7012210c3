// y[4096 · chunk + place] += value, one invocation a slot. No two slots have one place, so none waits for another.

override COUNT: u32;
override KEPT: u32;

@group(0) @binding(0) var<storage, read> places: array<u32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const LANES = 256u;
const CHUNK = 4096u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let slot = (group.x + group.y * groups.x) * LANES + lane;
  if (slot >= (COUNT + CHUNK - 1u) / CHUNK * KEPT) { return; }
  let at = slot / KEPT * CHUNK + places[slot];
  if (at < COUNT) { y[at] += values[slot]; }
}
