// Sums of squares and counts of non-finite values of BLOCKS contiguous parts of x, one workgroup a part: each lane takes
// a strided share, then a tree adds the shares in a fixed order. A compiler may assume that there is no NaN, so it is
// the bits that are tested.

override COUNT: u32;
override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>; // BLOCKS sums, then BLOCKS counts

const LANES = 256u;
const EXPONENT = 0x7f800000u;
var<workgroup> sums: array<f32, LANES>;
var<workgroup> counts: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = group.x + group.y * groups.x;
  if (block >= BLOCKS) { return; }
  let size = (COUNT - 1u) / BLOCKS + 1u;
  let stop = min(COUNT, (block + 1u) * size);

  var sum = 0.0;
  var count = 0u;
  for (var i = block * size + lane; i < stop; i += LANES) {
    let value = x[i];
    if ((bitcast<u32>(value) & EXPONENT) == EXPONENT) {
      count++;
    } else {
      sum = fma(value, value, sum);
    }
  }
  sums[lane] = sum;
  counts[lane] = count;

  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
      counts[lane] += counts[lane + half];
    }
  }

  if (lane == 0u) {
    partial[block] = sums[0];
    partial[BLOCKS + block] = f32(counts[0]);
  }
}
