// result = (root of the sum of the first BLOCKS values, sum of the others, 1, 1), by one workgroup, in a fixed order.

override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

const LANES = 256u;
var<workgroup> sums: array<vec2f, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f();
  for (var block = lane; block < BLOCKS; block += LANES) { sum += vec2f(partial[block], partial[BLOCKS + block]); }
  sums[lane] = sum;

  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }

  if (lane == 0u) {
    result[0] = sqrt(sums[0].x);
    result[1] = sums[0].y;
    result[2] = 1.0;
    result[3] = 1.0;
  }
}
