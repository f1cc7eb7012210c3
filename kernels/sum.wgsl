// total = sum of x, by one workgroup, of which each lane adds a strided share.

override COUNT: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> x: array<reals>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(lane: Lane) {
  var share = reals();
  for (var i = lane.index; i < COUNT / WIDTH; i += LANES) { share += x[i]; }
  var result = sum_of_all(across(share), lane);
  if (lane.index == 0u) {
    if (ACCUMULATE == 1u) { result += total[0]; }
    total[0] = result;
  }
}
