// Gradients of gate and up, one invocation for both of one place. Rows of x and dx are F of gate, then F of up;
// dy is (N, F).

override N: u32;
override F: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<stored_x>;
@group(0) @binding(2) var<storage, read_write> dx: array<stored_dx>;

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
  let small = exp(-abs(gate)); // of |gate|: it cannot overflow, and neither sigma nor its complement cancels
  let sigma = select(small, reals(1.0), gate >= reals()) / (1.0 + small);
  let complement = select(reals(1.0), small, gate >= reals()) / (1.0 + small);
  var dgate = reals(dy[i]) * reals(x[at + width]) * sigma * (1.0 + gate * complement);
  var dup = reals(dy[i]) * gate * sigma;
  if (ACCUMULATE == 1u) {
    dgate += reals(dx[at]);
    dup += reals(dx[at + width]);
  }
  dx[at] = to_dx(dgate);
  dx[at + width] = to_dx(dup);
}
