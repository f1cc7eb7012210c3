// y = gate * sigmoid(gate) * up, one invocation a place. A row of x is F of gate, then F of up; y is (N, F).

override N: u32;
override F: u32;

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
  let width = F / WIDTH;
  if (i >= N * width) { return; }
  let at = i / width * 2u * width + i % width;
  let gate = reals(x[at]);
  y[i] = to_y(gate / (1.0 + exp(min(-gate, reals(80.0)))) * reals(x[at + width])); // exp of more than 88 overflows
}
