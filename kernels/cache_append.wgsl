// Copies the k and v parts of packed rows to their positions in the cache. qkv is (N, (H + 2G)·D), positions is (N),
// keys and values are (P, G·D). One invocation copies one value of a key and the same one of its value.

override N: u32;
override H: u32;
override G: u32;
override D: u32;
override P: u32;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = (group.x + group.y * groups.x) * LANES + lane;
  let width = G * D;
  let row = item / width;
  let column = item % width;
  if (row >= N || positions[row] >= P) { return; }
  let source = row * (H + 2u * G) * D + H * D + column;
  let place = positions[row] * width + column;
  keys[place] = qkv[source];
  values[place] = qkv[source + width];
}
