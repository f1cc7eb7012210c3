/**
 * The rival jax-js, on WebAssembly or WebGPU: `jax.ts <wasm|webgpu> <threads>`.
 *
 * It starts a thread a core by itself; a number of threads is given to it as the number of cores.
 * @module
 */
import { answerRequests } from "./answer.ts";

const VERSION = "0.1.25";
const [backend, threads] = Deno.args as ["wasm" | "webgpu", string];

/** The part of the library that is used here. An operation uses its operands up; `ref` keeps them. */
interface Jax {
  init(device: string): Promise<readonly string[]>;
  defaultDevice(device: string): unknown;
  getWebGPUDevice(): GPUDevice;
  blockUntilReady(arrays: readonly JaxArray[]): Promise<unknown>;
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    matrixTranspose(a: JaxArray): JaxArray;
  };
}

interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<ArrayLike<number>>;
  dispose(): void;
}

if (backend === "wasm") Object.defineProperty(navigator, "hardwareConcurrency", { value: Number(threads) });
const specifier = `npm:@jax-js/jax@${VERSION}`; // not a dependency: loaded when the benchmark runs
const jax = await import(specifier) as Jax;
if (!(await jax.init(backend)).includes(backend)) throw new Error(`jax-js has no ${backend} here`);
jax.defaultDevice(backend);
const { numpy } = jax;

await answerRequests<JaxArray>({
  about: {
    device: `jax-js ${backend}`,
    ...(backend === "wasm" ? { threads: Number(threads) } : { driver: jax.getWebGPUDevice().adapterInfo.description }),
    versions: `@jax-js/jax ${VERSION}`,
  },
  async operand(values, rows, columns) {
    const array = numpy.array(values).reshape([rows, columns]);
    await array.ref.data(); // it exists before the clock starts
    return array;
  },
  multiply: (a, b, transposes) =>
    numpy.matmul(
      transposes.a ? numpy.matrixTranspose(a.ref) : a.ref,
      transposes.b ? numpy.matrixTranspose(b.ref) : b.ref,
    ),
  async finish(results) {
    await jax.blockUntilReady(results); // keeps them
    results.slice(0, -1).forEach((result) => result.dispose());
  },
  async last(result) {
    const values = await result.data();
    return values[values.length - 1]!;
  },
  free: (operand) => operand.dispose(),
});
