// What each invocation of a workgroup is told of the sum and the largest of all their values.

override LANES: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> maxima: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, lane: Lane) {
  let i = group.x * LANES + lane.index;
  sums[i] = sum_of_all(x[i], lane);
  maxima[i] = largest_of_all(x[i], lane);
}
