/**
 * The rival TensorFlow.js, on WebAssembly or WebGPU: `tfjs.ts <wasm|webgpu>`. Its WebAssembly has SIMD and, in Deno, one
 * thread: its threads are those of a page.
 * @module
 */
import { answerRequests } from "./answer.ts";

const VERSION = "4.22.0";
const backend = Deno.args[0] as "wasm" | "webgpu";

/** The part of the library that is used here. */
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): unknown;
  tensor2d(values: Float32Array, shape: readonly [number, number]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor;
}

interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

const specifiers = ["core", `backend-${backend}`].map((part) => `npm:@tensorflow/tfjs-${part}@${VERSION}`);
const [tf] = await Promise.all(specifiers.map((specifier) => import(specifier))) as [TensorFlow, unknown];
if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no ${backend} here`);
await tf.ready();

await answerRequests<Tensor>({
  about: {
    device: `TensorFlow.js ${backend}`,
    ...(backend === "wasm"
      ? { threads: 1 }
      : { driver: (tf.backend() as { readonly device: GPUDevice }).device.adapterInfo.description }),
    versions: `@tensorflow/tfjs-backend-${backend} ${VERSION}`,
  },
  operand: (values, rows, columns) => Promise.resolve(tf.tensor2d(values, [rows, columns])),
  multiply: (a, b, transposes) => tf.matMul(a, b, transposes.a, transposes.b),
  async finish(results) {
    await results.at(-1)!.data(); // a queue in order: the others are done by then
    results.slice(0, -1).forEach((result) => result.dispose());
  },
  async last(result) {
    const values = await result.data();
    result.dispose();
    return values.at(-1)!;
  },
  free: (operand) => operand.dispose(),
});
