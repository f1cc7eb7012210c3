// y = op(a)·op(b) (+ bias) (+ residual or y): what a product reads, and what becomes of each of its values. The values
// are made by what `tiled_product.ts` adds.

override M: u32;
override N: u32;
override K: u32;
override TRANSPOSE_A: u32;
override TRANSPOSE_B: u32;
override BIAS: u32;
override RESIDUAL: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<stored_y>;

fn store(row: u32, column: u32, sum: reals) {
  let i = row * N + column;
  var value = sum;
  if (BIAS == 1u) { value += bias_from(column); }
  if (RESIDUAL == 1u) { value += residual_from(i); }
  if (ACCUMULATE == 1u) { value += reals(y[i / WIDTH]); }
  y[i / WIDTH] = to_y(value);
}
