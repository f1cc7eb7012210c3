// pre = a·bᵀ, rows of F gates and F ups, and y = gate * sigmoid(gate) * up, of pre as it is stored and written exactly as
// in swiglu.wgsl: made again from pre, y has the same bits. Both sums of a place are made by one invocation, by what
// `tiled_product.ts` adds.

override M: u32;
override F: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read_write> pre: array<stored_pre>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;

const TRANSPOSE_A = 0u;
const TRANSPOSE_B = 1u;

fn store(row: u32, column: u32, gate_sum: f32, up_sum: f32) {
  let i = row * 2u * F + column;
  let stored_gate = to_pre(gate_sum);
  let stored_up = to_pre(up_sum);
  pre[i] = stored_gate;
  pre[i + F] = stored_up;
  let gate = f32(stored_gate);
  y[row * F + column] = to_y(gate / (1.0 + exp(min(-gate, 80.0))) * f32(stored_up));
}
