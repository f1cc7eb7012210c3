/**
 * Classes of matrix products: those that one measurement speaks for.
 *
 * A class has one way of storing the operands, and sizes up to a power of two. From 4,096 on sizes are alike: there are
 * tiles enough, and sums long enough, for any form.
 * @module
 */
import { type KernelChoice, ONE_FORM, type ProductUse } from "../../kernels/product_choice.ts";

const LARGEST_SIZE = 4096;

/** Name of a product's class: "NT 512 × 1024 × 4096 f32", with M, N and K; of one operand in f16 "f16", of two "f16 × f16". */
export function classOf({ M, N, K, TRANSPOSE_A, TRANSPOSE_B, inF16, areF16 = false }: ProductUse): string {
  const stored = (transposed: number) => transposed === 1 ? "T" : "N";
  const sizes = [M, N, K].map((size) => Math.min(LARGEST_SIZE, 2 ** Math.ceil(Math.log2(size))));
  return `${stored(TRANSPOSE_A)}${stored(TRANSPOSE_B)} ${sizes.join(" × ")} ${
    areF16 ? "f16 × f16" : inF16 ? "f16" : "f32"
  }`;
}

/** Every product that a graph asks a form for, in order; `build` makes the graph with the choice that it is given. */
export function usesIn(build: (choice: KernelChoice) => void): ProductUse[] {
  const uses: ProductUse[] = [];
  build({
    fuses: ONE_FORM.fuses,
    product(use) {
      uses.push(use);
      return ONE_FORM.product(use);
    },
  });
  return uses;
}

/** Operations of a product. */
export function flopsOf({ M, N, K }: ProductUse): number {
  return 2 * M * N * K;
}

/** One product of each class, the one with most work; the classes with most work in all first. */
export function representatives(uses: readonly ProductUse[]): ProductUse[] {
  const classes = [...Map.groupBy(uses, classOf).values()];
  const work = (members: readonly ProductUse[]) => members.reduce((sum, use) => sum + flopsOf(use), 0);
  return classes.toSorted((a, b) => work(b) - work(a))
    .map((members) => members.reduce((most, use) => flopsOf(use) > flopsOf(most) ? use : most));
}
