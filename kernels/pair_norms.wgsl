// Sums of A², B² and A·B, with A = part and B = sum − part, of BLOCKS contiguous parts, one workgroup a part, of which
// each lane takes a strided share. A part may begin and end inside a place.

override COUNT: u32;
override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> sum: array<reals>;
@group(0) @binding(1) var<storage, read> part: array<reals>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>; // BLOCKS rows of three

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  lane: Lane,
) {
  let block = group.x + group.y * groups.x;
  if (block >= BLOCKS) { return; }
  let size = (COUNT - 1u) / BLOCKS + 1u;
  let start = block * size;
  let stop = min(COUNT, start + size);

  var aa = reals();
  var bb = reals();
  var ab = reals();
  for (var i = start / WIDTH + lane.index; i * WIDTH < stop; i += LANES) {
    let is_inside = (places(i) >= indices(start)) & (places(i) < indices(stop));
    let a = select(reals(), part[i], is_inside);
    let b = select(reals(), sum[i] - part[i], is_inside);
    aa = fma(a, a, aa);
    bb = fma(b, b, bb);
    ab = fma(a, b, ab);
  }
  let sums = sum_of_all(vec3f(across(aa), across(bb), across(ab)), lane);

  if (lane.index == 0u) {
    partial[3u * block] = sums.x;
    partial[3u * block + 1u] = sums.y;
    partial[3u * block + 2u] = sums.z;
  }
}
