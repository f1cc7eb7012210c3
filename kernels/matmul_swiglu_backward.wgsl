// Gradients of gate and up from that of their product, which is a·b; see swiglu_backward.wgsl. Rows of pre and y are F
// of gate, then F of up. The sums are made by what `tiled_product.ts` adds.

override M: u32;
override F: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read> pre: array<stored_pre>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;

const TRANSPOSE_A = 0u;
const TRANSPOSE_B = 0u;

fn store(row: u32, column: u32, sum: reals) {
  let i = (row * 2u * F + column) / WIDTH;
  let gate = reals(pre[i]);
  let small = exp(-abs(gate)); // of |gate|: it cannot overflow, and neither sigma nor its complement cancels
  let sigma = select(small, reals(1.0), gate >= reals()) / (1.0 + small);
  let complement = select(reals(1.0), small, gate >= reals()) / (1.0 + small);
  y[i] = to_y(sum * reals(pre[i + F / WIDTH]) * sigma * (1.0 + gate * complement));
  y[i + F / WIDTH] = to_y(sum * gate * sigma);
}
