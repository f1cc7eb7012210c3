// pre = a·bᵀ, rows of F gates and F ups, and y = gate * sigmoid(gate) * up; see swiglu.wgsl. Both sums of a place are
// made by one invocation, by what `tiled_product.ts` adds.

override M: u32;
override F: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read_write> pre: array<stored_pre>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;

const TRANSPOSE_A = 0u;
const TRANSPOSE_B = 1u;

fn store(row: u32, column: u32, gate_sum: reals, up_sum: reals) {
  let i = (row * 2u * F + column) / WIDTH;
  pre[i] = to_pre(gate_sum);
  pre[i + F / WIDTH] = to_pre(up_sum);
  let gate = reals(to_pre(gate_sum)); // what is stored, so that SwiGLU of it gives the same y again
  let up = reals(to_pre(up_sum));
  y[(row * F + column) / WIDTH] = to_y(gate / (1.0 + exp(min(-gate, reals(80.0)))) * up);
}
