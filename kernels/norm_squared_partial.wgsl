// Sums of squares and counts of non-finite values of BLOCKS contiguous parts of x, one workgroup a part, of which each
// lane takes a strided share. A part may begin and end inside a place. A compiler may assume that there is no NaN, so it
// is the bits that are tested.

override COUNT: u32;
override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> x: array<reals>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>; // BLOCKS sums, then BLOCKS counts

const LANES = 256u;
const EXPONENT = 0x7f800000u;

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

  var squares = reals();
  var counts = reals();
  for (var i = start / WIDTH + lane.index; i * WIDTH < stop; i += LANES) {
    let value = x[i];
    let is_inside = (places(i) >= indices(start)) & (places(i) < indices(stop));
    let is_finite = (bitcast<indices>(value) & indices(EXPONENT)) != indices(EXPONENT);
    let counted = select(reals(), value, is_inside & is_finite);
    squares = fma(counted, counted, squares);
    counts += select(reals(), reals(1.0), is_inside & !is_finite);
  }
  let sums = sum_of_all(vec2f(across(squares), across(counts)), lane);

  if (lane.index == 0u) {
    partial[block] = sums.x;
    partial[BLOCKS + block] = sums.y;
  }
}
