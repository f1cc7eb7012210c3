// dw = Σ over rows of dy · (x − mean) · inverse and db = Σ over rows of dy. dy, x are (N, C); mean, inverse are (N);
// dw, db are (C). A workgroup takes 16 neighbouring columns, so that its reads are whole cache lines; 16 invocations
// share a column, or 64 one of four columns in a place, and a tree adds their shares in a fixed order.

override N: u32;
override C: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> dy: array<stored_dy>;
@group(0) @binding(1) var<storage, read> x: array<reals>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read_write> dw: array<reals>;
@group(0) @binding(5) var<storage, read_write> db: array<reals>;

const LANES = 256u;
const COLUMNS = 16u / WIDTH; // places
const SHARES = LANES / COLUMNS;
var<workgroup> partial_w: array<reals, LANES>;
var<workgroup> partial_b: array<reals, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let width = C / WIDTH;
  let column = (group.x + group.y * groups.x) * COLUMNS + lane % COLUMNS;
  let share = lane / COLUMNS;

  var sum_w = reals();
  var sum_b = reals();
  if (column < width) {
    for (var row = share; row < N; row += SHARES) {
      let i = row * width + column;
      sum_w += reals(dy[i]) * (x[i] - mean[row]) * inverse[row];
      sum_b += reals(dy[i]);
    }
  }
  partial_w[lane] = sum_w;
  partial_b[lane] = sum_b;

  for (var half = SHARES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (share < half) {
      partial_w[lane] += partial_w[lane + half * COLUMNS];
      partial_b[lane] += partial_b[lane + half * COLUMNS];
    }
  }

  if (share == 0u && column < width) {
    dw[column] = partial_w[lane] + select(reals(), dw[column], ACCUMULATE == 1u);
    db[column] = partial_b[lane] + select(reals(), db[column], ACCUMULATE == 1u);
  }
}
