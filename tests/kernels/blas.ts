/**
 * Tests that need a library of matrix products (OpenBLAS, MKL, Accelerate): registered as ignored, with the reason said
 * once, where there is none.
 * @module
 */
import { type Blas, blasChoice, findBlas } from "../../runtime/device/blas.ts";

const found = findBlas(blasChoice());
const file = found.blas?.file ?? null, name = found.blas?.name ?? "";
found.blas?.[Symbol.dispose]();
if (file === null) {
  console.log(`No BLAS (${found.problem}): its tests are skipped. Debian: apt-get install libopenblas0`);
}

/** A test that is given the library's name and file. */
export function blasTest(title: string, body: (blas: Pick<Blas, "name" | "file">) => Promise<void> | void): void {
  Deno.test({ name: title, ignore: file === null, fn: () => body({ name, file: file! }) });
}
