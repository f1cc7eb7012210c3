// y = (a·b) * GELU'(pre); see gelu_backward.wgsl for why it is written so. The sums are made by what `tiled_product.ts`
// adds.

override M: u32;
override N: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read> pre: array<stored_pre>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;

const TRANSPOSE_A = 0u;
const TRANSPOSE_B = 0u;
const ROOT_2_OVER_PI = 0.7978845608028654;

fn store(row: u32, column: u32, sum: reals) {
  let i = (row * N + column) / WIDTH;
  let z = clamp(reals(pre[i]), reals(-20.0), reals(20.0));
  let inner = ROOT_2_OVER_PI * (z + 0.044715 * z * z * z);
  let inner_slope = ROOT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * z * z);
  let small = exp(min(-2.0 * abs(inner), reals(80.0)));
  let s = select(small, reals(1.0), inner >= reals()) / (1.0 + small);
  let product = small / ((1.0 + small) * (1.0 + small)); // s (1 - s)
  y[i] = to_y(sum * (s + 2.0 * z * product * inner_slope));
}
