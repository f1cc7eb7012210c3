// total = sum of x, by one workgroup: each lane adds a strided share, then a tree adds the shares in a fixed order.

override COUNT: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;

const LANES = 256u;
var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  var share = 0.0;
  for (var i = lane; i < COUNT; i += LANES) { share += x[i]; }
  partial[lane] = share;

  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }

  if (lane == 0u) {
    var result = partial[0];
    if (ACCUMULATE == 1u) { result += total[0]; }
    total[0] = result;
  }
}
