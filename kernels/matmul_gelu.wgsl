// pre = a·bᵀ (+ bias) and y = GELU(pre); see gelu.wgsl for why it is written so. The sums are made by what
// `tiled_product.ts` adds.

override M: u32;
override N: u32;
override K: u32;
override BIAS: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> pre: array<stored_pre>;
@group(0) @binding(4) var<storage, read_write> y: array<stored_y>;

const TRANSPOSE_A = 0u;
const TRANSPOSE_B = 1u;
const ROOT_2_OVER_PI = 0.7978845608028654;

fn store(row: u32, column: u32, sum: reals) {
  let i = (row * N + column) / WIDTH;
  var whole = sum;
  if (BIAS == 1u) { whole += bias_from(column); }
  pre[i] = to_pre(whole);
  let value = reals(to_pre(whole)); // what is stored, so that GELU of it gives the same y again
  let z = clamp(value, reals(-20.0), reals(20.0));
  let inner = ROOT_2_OVER_PI * fma(0.044715 * z * z, z, z);
  y[i] = to_y(value / (1.0 + exp(min(-2.0 * inner, reals(80.0)))));
}
