// Parts of op(a)·op(b), each summed over its part of K. The values are made by what `tiled_product.ts` adds.

override M: u32;
override N: u32;
override K: u32;
override TRANSPOSE_A: u32;
override TRANSPOSE_B: u32;
override SPLIT: u32;

@group(0) @binding(0) var<storage, read> a: array<stored_a>;
@group(0) @binding(1) var<storage, read> b: array<stored_b>;
@group(0) @binding(2) var<storage, read_write> partial: array<reals>;

fn store(part: u32, row: u32, column: u32, sum: reals) {
  partial[((part * M + row) * N + column) / WIDTH] = sum;
}
