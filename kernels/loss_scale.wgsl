// The factor of this step's gradients and the scale of the next, by one invocation. See loss_scale.ts for the rule.

override GROWTH_STEPS: u32;

@group(0) @binding(0) var<storage, read> share: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;

const EXPONENT = 0x7f800000u;
const LARGEST = 16777216.0;

@compute @workgroup_size(1)
fn main() {
  let scale = state[0];
  let factor = share[0] / scale;
  let is_overflow = (bitcast<u32>(norm[0]) & EXPONENT) == EXPONENT || norm[1] > 0.0;
  norm[0] *= factor;
  norm[2] = factor;
  norm[3] = scale;
  if (is_overflow) {
    state[0] = max(1.0, 0.5 * scale);
    state[1] = 0.0;
  } else if (state[1] + 1.0 >= f32(GROWTH_STEPS)) {
    state[0] = min(LARGEST, 2.0 * scale);
    state[1] = 0.0;
  } else {
    state[1] += 1.0;
  }
}
