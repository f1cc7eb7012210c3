// dw = Σ over rows of dy · x · inverse. dy, x are (N, C); inverse is (N); dw is (C). A workgroup takes 16
// neighbouring columns, so that its reads are whole cache lines; 16 invocations share a column, or 64 one of four
// columns in a place, and a tree adds their shares in a fixed order.

override N: u32;
override C: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<reals>;
@group(0) @binding(2) var<storage, read> inverse: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<reals>;

const LANES = 256u;
const COLUMNS = 16u / WIDTH; // places
const SHARES = LANES / COLUMNS;
var<workgroup> partial: array<reals, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let width = C / WIDTH;
  let column = (group.x + group.y * groups.x) * COLUMNS + lane % COLUMNS;
  let share = lane / COLUMNS;

  var sum = reals();
  if (column < width) {
    for (var row = share; row < N; row += SHARES) {
      let i = row * width + column;
      sum = fma(reals(dy[i]), x[i] * inverse[row], sum);
    }
  }
  partial[lane] = sum;

  for (var half = SHARES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (share < half) { partial[lane] += partial[lane + half * COLUMNS]; }
  }

  if (share == 0u && column < width) {
    dw[column] = partial[lane] + select(reals(), dw[column], ACCUMULATE == 1u);
  }
}
