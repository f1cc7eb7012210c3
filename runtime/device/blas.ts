/**
 * Matrix products by the library that this machine has for them (BLAS), through Deno's foreign function interface:
 * Accelerate, OpenBLAS or MKL. They use what WebAssembly cannot, vectors of 256 and 512 bits and Apple's matrix units.
 *
 * It knows no kernels and no threads; it is the one file that calls foreign code. Never needed: where there is no
 * library, no permission or no Deno (a browser), `findBlas` says so and products stay in WebAssembly. Never used in the
 * fold, whose bits must be those of every other machine.
 *
 * The one thing to know: a library is told to use the calling thread alone, in every thread that opens it. Our own
 * threads share the work, so that the bits do not depend on how many there are, and no two pools spin on one core.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import { type Sgemm, whyWrong } from "./blas_check.ts";

/** A library that is open in this thread; disposing closes it there. */
export interface Blas extends Disposable {
  /** For people: "OpenBLAS 0.3.21". */
  readonly name: string;
  /** What another thread opens it by. */
  readonly file: string;
  /** Products of matrices that lie in `bytes`, which must live and not move as long as it is used. */
  over(bytes: Uint8Array): Sgemm;
}

export type FoundBlas =
  | { readonly blas: Blas; readonly problem: null }
  /** Why there is none, for people. */
  | { readonly blas: null; readonly problem: string };

/** The environment variable that names a library's file, or is `off`. */
export const BLAS_VARIABLE = "STARLING_BLAS";

/** What to look for: `auto`, `off`, or one file. */
export type BlasChoice = "auto" | "off" | (string & Record<never, never>);

/** What the user wants, by the environment; `auto` where that may not be read. */
export function blasChoice(): BlasChoice {
  return variable(BLAS_VARIABLE) || "auto";
}

/** Opens the first library that is there and computes rightly; never throws, never asks for a permission. */
export function findBlas(choice: BlasChoice): FoundBlas {
  if (choice === "off") return { blas: null, problem: `${BLAS_VARIABLE} is off` };
  if (typeof Deno === "undefined") return { blas: null, problem: "a browser has no foreign function interface" };
  const files = choice === "auto" ? usualFiles(Deno.build.os, variable("PATH") ?? "") : [choice];
  const problems: string[] = [];
  for (const file of files) {
    if (Deno.permissions.querySync({ name: "ffi", path: file }).state !== "granted") {
      problems.push(`${file} needs the permission --allow-ffi`);
      continue;
    }
    try {
      const blas = openBlas(file), wrong = whyWrong((bytes) => blas.over(bytes));
      if (wrong === null) return { blas, problem: null };
      blas[Symbol.dispose]();
      problems.push(`${file} is ${blas.name}, and ${wrong}`);
    } catch (error) {
      if (error instanceof UnfitLibraryError) problems.push(`${file} ${error.message}`);
      // Of the usual names most are of libraries that are not there, which is no problem.
      else if (choice !== "auto") problems.push(`${file} cannot be opened (${reasonOf(error)})`);
    }
  }
  return { blas: null, problem: problems[0] ?? `none of ${usualNames(Deno.build.os)} is installed` };
}

/** Opens a library in this thread. @throws if it cannot be loaded, or is none that can be used. */
export function openBlas(file: string): Blas {
  const library = Deno.dlopen(file, SYMBOLS), { symbols } = library;
  let isOpen = true;
  try {
    if (symbols.cblas_sgemm === null) throw new UnfitLibraryError("has no function cblas_sgemm");
    const config = symbols.openblas_get_config === null ? null : textAt(symbols.openblas_get_config());
    if (config?.includes("USE64BITINT")) throw new UnfitLibraryError("takes integers of 64 bits, wanted 32");
    if (symbols.openblas_get_parallel?.() === 0 && !config?.includes("USE_LOCKING")) {
      throw new UnfitLibraryError("was built for programs of one thread");
    }
    symbols.openblas_set_num_threads?.(1);
    symbols.MKL_Set_Interface_Layer?.(MKL_INTEGERS_OF_32_BITS);
    symbols.MKL_Set_Threading_Layer?.(MKL_CALLING_THREAD_ALONE);
    symbols.BLASSetThreading?.(ACCELERATE_CALLING_THREAD_ALONE);
    return {
      name: nameOf(file, { config, mkl: symbols.MKL_Get_Version_String }),
      file,
      over: (bytes) => over(bytes, symbols.cblas_sgemm!),
      [Symbol.dispose]() {
        if (isOpen) library.close();
        isOpen = false;
      },
    };
  } catch (error) {
    library.close();
    throw error;
  }
}

/** A library was loaded, and is none that can be used. */
class UnfitLibraryError extends Error {
  override readonly name = "UnfitLibraryError";
}

const ROW_MAJOR = 101, AS_STORED = 111, TRANSPOSED = 112;
const MKL_INTEGERS_OF_32_BITS = 0, MKL_CALLING_THREAD_ALONE = 1, ACCELERATE_CALLING_THREAD_ALONE = 1;

const SYMBOLS = {
  cblas_sgemm: {
    // Order, transposes; M, N, K; α; a and its row; b and its row; β; y and its row.
    parameters: [
      ...["i32", "i32", "i32", "i32", "i32", "i32", "f32"] as const,
      ...["usize", "i32", "usize", "i32", "f32", "usize", "i32"] as const,
    ],
    result: "void",
    optional: true,
  },
  openblas_get_config: { parameters: [], result: "pointer", optional: true },
  openblas_get_parallel: { parameters: [], result: "i32", optional: true },
  openblas_set_num_threads: { parameters: ["i32"], result: "void", optional: true },
  MKL_Set_Interface_Layer: { parameters: ["i32"], result: "i32", optional: true },
  MKL_Set_Threading_Layer: { parameters: ["i32"], result: "i32", optional: true },
  MKL_Get_Version_String: { parameters: ["buffer", "i32"], result: "void", optional: true },
  BLASSetThreading: { parameters: ["u32"], result: "i32", optional: true },
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

function over(bytes: Uint8Array, sgemm: NonNullable<Symbols["cblas_sgemm"]>): Sgemm {
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>));
  return ({ M, N, K, a, b, y, adds }) =>
    sgemm(
      ROW_MAJOR,
      a.transposed ? TRANSPOSED : AS_STORED,
      b.transposed ? TRANSPOSED : AS_STORED,
      M,
      N,
      K,
      1,
      base + BigInt(a.at),
      a.stride,
      base + BigInt(b.at),
      b.stride,
      adds ? 1 : 0,
      base + BigInt(y.at),
      y.stride,
    );
}

/** Names under which the libraries are installed; the loader of the system knows where. */
const USUAL_FILES: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  darwin: ["/System/Library/Frameworks/Accelerate.framework/Accelerate"],
  windows: ["libopenblas.dll", "openblas.dll", "mkl_rt.2.dll", "mkl_rt.dll"],
};
const USUAL_FILES_ELSEWHERE = ["libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.3", "libmkl_rt.so.2"];

/**
 * Files to try, in order. On Windows each in the folders of `path`: by name alone the system would also load what lies
 * in the current folder, whoever put it there.
 */
export function usualFiles(os: typeof Deno.build.os, path: string): readonly string[] {
  const files = USUAL_FILES[os] ?? USUAL_FILES_ELSEWHERE;
  if (os !== "windows") return files;
  const folders = path.split(";").filter((folder) => /^[a-z]:[\\/]/i.test(folder));
  return files.flatMap((file) => folders.map((folder) => `${folder.replace(/[\\/]+$/, "")}\\${file}`));
}

function usualNames(os: typeof Deno.build.os): string {
  return os === "darwin" ? "Accelerate" : "OpenBLAS and MKL";
}

function nameOf(
  file: string,
  { config, mkl }: { readonly config: string | null; readonly mkl: Symbols["MKL_Get_Version_String"] },
): string {
  if (config !== null) return /OpenBLAS [\d.]+/.exec(config)?.[0] ?? "OpenBLAS";
  if (mkl !== null) {
    const bytes = new Uint8Array(200);
    mkl(bytes, bytes.length - 1);
    return `MKL ${/Version ([\d.]+)/.exec(new TextDecoder().decode(bytes))?.[1] ?? ""}`.trim();
  }
  return file.split(/[\\/]/).at(-1)!;
}

function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
}

function variable(name: string): string | undefined {
  if (typeof Deno === "undefined") return undefined;
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
