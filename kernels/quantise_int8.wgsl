// int8 codes with a power-of-two scale a block, one workgroup a block; a lane makes whole words of four codes.
// Positive floats are ordered like their bits, so the largest value and its exponent need no float arithmetic; scaling
// by a power of two and subtracting the rounded value are exact. The codes are the same on every device.

override COUNT: u32;
override BLOCK: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<u32>;
@group(0) @binding(3) var<storage, read_write> residual: array<f32>;

const LANES = 64u;
const MANTISSA_OF_127 = 0x7e0000u; // 127 = 1.984375 · 2^6
const SMALLEST_EXPONENT = 27u; // biased, of 2^-100
var<workgroup> largest: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = group.x + group.y * groups.x;
  if (block >= COUNT / BLOCK) { return; }
  let start = block * BLOCK;

  var lane_largest = 0u;
  for (var i = lane; i < BLOCK; i += LANES) {
    lane_largest = max(lane_largest, bitcast<u32>(x[start + i]) & 0x7fffffffu);
  }
  largest[lane] = lane_largest;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { largest[lane] = max(largest[lane], largest[lane + half]); }
  }
  workgroupBarrier();

  let bits = largest[0];
  let is_zero = (bits >> 23u) < SMALLEST_EXPONENT;
  // Biased exponent of the scale: 6 below that of the largest value, 5 below where that is more than 127 · 2^6.
  let exponent = select((bits >> 23u) - 6u + select(0u, 1u, (bits & 0x7fffffu) > MANTISSA_OF_127), 0u, is_zero);
  let scale = bitcast<f32>(exponent << 23u);
  let inverse = select(bitcast<f32>((254u - exponent) << 23u), 0.0, is_zero);
  if (lane == 0u) { scales[block] = exponent; }

  for (var word = lane; word < BLOCK / 4u; word += LANES) {
    var packed = 0u;
    for (var k = 0u; k < 4u; k++) {
      let i = start + word * 4u + k;
      let code = round(x[i] * inverse); // halves to even
      packed |= (bitcast<u32>(i32(code)) & 0xffu) << (8u * k);
      residual[i] = x[i] - code * scale;
    }
    codes[start / 4u + word] = packed;
  }
}
