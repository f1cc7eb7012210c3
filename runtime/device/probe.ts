/**
 * How fast a device trains, by a short measurement: the three matrix products of a linear layer (forward, gradient of
 * the input, gradient of the weights), which are most of a training step.
 *
 * It compares devices of one host at one time; it is no benchmark.
 * @module
 */
import { matmul } from "../../kernels/matmul.ts";
import { type Device, type Dispatch, whole } from "./device.ts";

export interface ProbeOptions {
  /** Milliseconds; the default is `performance.now`. */
  readonly now?: () => number;
}

/** A layer of 512 × 256 on 256 tokens: 0.2 GFLOP in all, a fifth of a second for the slowest software driver. */
const TOKENS = 256, INNER = 256, OUTER = 512;

/** A measurement is long enough when the wait at its end (11 ms on a GPU in Deno) is a small part of it. */
const LONG_ENOUGH_MS = 100;
const MOST_RUNS = 4_096;

/** Billions of floating-point operations a second. */
export async function measureGflops(
  device: Device,
  { now = () => performance.now() }: ProbeOptions = {},
): Promise<number> {
  const size = { x: TOKENS * INNER, w: OUTER * INNER, y: TOKENS * OUTER, none: 1 };
  const buffers = {
    x: buffer("x"),
    w: buffer("w"),
    y: buffer("y"),
    dx: buffer("x"),
    dw: buffer("w"),
    none: buffer("none"),
  };
  function buffer(kind: keyof typeof size) {
    const made = device.allocate(size[kind], `probe ${kind}`);
    device.write(whole(made), new Float32Array(made.words).fill(1 / 64));
    return made;
  }
  try {
    const forward = {
      M: TOKENS,
      N: OUTER,
      K: INNER,
      TRANSPOSE_A: 0,
      TRANSPOSE_B: 1,
      BIAS: 0,
      RESIDUAL: 0,
      ACCUMULATE: 0,
    };
    const towardsInput = { ...forward, N: INNER, K: OUTER, TRANSPOSE_B: 0 };
    const towardsWeights = { ...towardsInput, M: OUTER, K: TOKENS, TRANSPOSE_A: 1, ACCUMULATE: 1 };
    const product = (
      shape: Dispatch["shape"],
      [a, b, y]: readonly [keyof typeof buffers, keyof typeof buffers, keyof typeof buffers],
    ) => ({
      kernel: matmul,
      shape,
      spans: {
        a: whole(buffers[a]),
        b: whole(buffers[b]),
        bias: whole(buffers.none),
        residual: whole(buffers.none),
        y: whole(buffers[y]),
      },
    });
    const dispatches: Dispatch[] = [
      product(forward, ["x", "w", "y"]),
      product(towardsInput, ["y", "w", "dx"]),
      product(towardsWeights, ["y", "x", "dw"]),
    ];
    const program = await device.prepare(dispatches, "probe");
    const flops = 3 * 2 * TOKENS * INNER * OUTER;
    device.run(program); // compiles what is compiled late, and warms caches
    await device.idle();
    for (let runs = 1;; runs *= 2) {
      const startedAtMs = now();
      for (let run = 0; run < runs; run++) device.run(program);
      await device.idle();
      const elapsedMs = now() - startedAtMs;
      if (elapsedMs >= LONG_ENOUGH_MS || runs >= MOST_RUNS) return flops * runs / elapsedMs / 1e6;
    }
  } finally {
    Object.values(buffers).forEach((made) => device.free(made));
  }
}
