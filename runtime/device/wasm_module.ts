/**
 * Compiles the AssemblyScript forms of kernels, in memory, into one WebAssembly module.
 *
 * It knows no device and no threads. The compiler is a dependency like any other and is only loaded when a module is
 * needed that `module_cache.ts` does not have.
 *
 * The one thing to know: every source is a file of its own in the compiler's eyes, so private names may repeat;
 * exported names become exports of the one module and must not. Helpers come from `kernels/simd.as`.
 * @module
 */
import simdSource from "../../kernels/simd.as" with { type: "text" };
import { KernelError } from "./device.ts";

export interface WasmSource {
  /** The kernel's name: the name of the file in compiler messages. */
  readonly name: string;
  readonly text: string;
}

/** Pages of 64 KiB that a 32-bit memory can have: 4 GiB. */
export const LARGEST_PAGE_COUNT = 65_536;

/** Where the modules keep the constants of `simd.as`; each writes the same bytes. */
const STATIC_ADDRESS = 1024;

/** Modules of this thread, by their sources. */
const compiled = new Map<string, Promise<WebAssembly.Module>>();

/**
 * One module with the exports of all sources, over an imported shared memory `env.memory`.
 * @throws {KernelError} with the compiler's message.
 */
export async function compileWasm(sources: readonly WasmSource[]): Promise<WebAssembly.Module> {
  const sorted = sources.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const key = JSON.stringify(sorted.map(({ name, text }) => [name, text]));
  let module = compiled.get(key);
  if (module === undefined) {
    module = keptBytesOf(sorted, key).then((bytes) => WebAssembly.compile(bytes));
    compiled.set(key, module);
    module.catch(() => compiled.delete(key));
  }
  return await module;
}

/** Whether the engine has fused multiply-add on vectors (a module with `f32x4.relaxed_madd` is valid). */
const fused = WebAssembly.validate(
  Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // magic, version
    ...[1, 8, 1, 0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b], // type: (v128, v128, v128) → v128
    ...[3, 2, 1, 0], // one function of that type
    ...[10, 13, 1, 11, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfd, 0x85, 2, 0x0b], // relaxed_madd of its arguments
  ),
);

const FEATURES = "simd,threads", RELAXED = "relaxed-simd";
const FLAGS = [
  ...["-O3", "--runtime", "stub", "--noAssert", "--disableWarning", "201"],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", `${LARGEST_PAGE_COUNT}`],
  ...["--memoryBase", `${STATIC_ADDRESS}`],
];

/** Compiled now, or before: a browser has no cache of ours. */
async function keptBytesOf(sources: readonly WasmSource[], key: string): Promise<Uint8Array<ArrayBuffer>> {
  const compile = () => wasmBytesOf(sources, { relaxed: fused });
  if (!("Deno" in globalThis)) return await compile();
  const { cachedModule } = await import("./module_cache.ts");
  const compiler = import.meta.resolve("assemblyscript/asc"); // its version is part of it
  return await cachedModule(JSON.stringify([compiler, FLAGS, fused, simdSource, key]), compile);
}

export interface WasmOptions {
  /** Whether sources may use relaxed operations, whose results differ from machine to machine. */
  readonly relaxed: boolean;
}

/**
 * A module's bytes, as those of `compileWasm`: of the same sources and options always the same.
 * @throws {KernelError} with the compiler's message.
 */
export async function wasmBytesOf(
  sources: readonly WasmSource[],
  { relaxed }: WasmOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import("assemblyscript/asc");
  const files = new Map([["simd.ts", simdSource], ...sources.map(({ name, text }) => [`${name}.ts`, text] as const)]);
  const features = relaxed ? `${FEATURES},${RELAXED}` : FEATURES;
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  const entries = sources.map(({ name }) => `${name}.ts`);
  const { error, stderr } = await asc.main([...entries, "--outFile", "kernels.wasm", ...FLAGS, "--enable", features], {
    readFile: (name) => files.get(name) ?? null,
    writeFile: (name, contents) => {
      if (name === "kernels.wasm" && typeof contents !== "string") bytes = Uint8Array.from(contents);
    },
    listFiles: () => [],
  });
  if (error === null && bytes !== undefined) return bytes;
  const names = sources.map(({ name }) => name).join(", ");
  throw new KernelError(`Cannot compile the WebAssembly forms of ${names}: ${error?.message}\n${stderr.toString()}`);
}
