// Sums of A², B² and A·B, with A = part and B = sum − part, of BLOCKS contiguous parts, one workgroup a part: each lane
// takes a strided share, then a tree adds the shares in a fixed order.

override COUNT: u32;
override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> sum: array<f32>;
@group(0) @binding(1) var<storage, read> part: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>; // BLOCKS rows of three

const LANES = 256u;
var<workgroup> sums: array<vec3f, LANES>;

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

  var products = vec3f();
  for (var i = block * size + lane; i < stop; i += LANES) {
    let a = part[i];
    let b = sum[i] - a;
    products = fma(vec3f(a, b, a), vec3f(a, b, b), products);
  }
  sums[lane] = products;

  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }

  if (lane == 0u) {
    partial[3u * block] = sums[0].x;
    partial[3u * block + 1u] = sums[0].y;
    partial[3u * block + 2u] = sums[0].z;
  }
}
