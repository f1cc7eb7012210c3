import { strict as assert } from "node:assert";
import { slowTicks } from "./dawn_ticks.ts";

type Task = () => void;
const scope = globalThis as unknown as { setImmediate: (task: Task) => void; setTimeout: unknown };

/** Begins to wait as Dawn does: looks are asked of whatever `setImmediate` is global then. */
function beginToLook(looks: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => looks-- > 0 ? scope.setImmediate(look) : resolve();
  scope.setImmediate(look);
  return promise;
}

/** Classes as the library's; what waits there waits for so many looks. */
function library() {
  class GPUBuffer {
    mapAsync(looks: number) {
      return beginToLook(looks);
    }
  }
  class GPUDevice {
    createComputePipelineAsync(looks: number) {
      return beginToLook(looks);
    }
    popErrorScope(looks: number) {
      return beginToLook(looks);
    }
  }
  class GPUQueue {
    onSubmittedWorkDone(looks: number) {
      return beginToLook(looks);
    }
  }
  return { GPUBuffer, GPUDevice, GPUQueue };
}

/** How many looks of a wait are put off until later. */
async function pausesOf(wait: () => Promise<void>): Promise<number> {
  const { setTimeout } = scope;
  let count = 0;
  scope.setTimeout = (task: Task) => {
    count++;
    queueMicrotask(task);
  };
  try {
    await wait();
  } finally {
    scope.setTimeout = setTimeout;
  }
  return count;
}

Deno.test("a short wait for Dawn is looked at at once, a long one with pauses, and each wait anew", async () => {
  const classes = library();
  slowTicks(classes);
  const queue = new classes.GPUQueue();
  assert.equal(await pausesOf(() => queue.onSubmittedWorkDone(150)), 0);
  assert.equal(await pausesOf(() => queue.onSubmittedWorkDone(150)), 0);
  assert.equal(await pausesOf(() => queue.onSubmittedWorkDone(299)), 100);
});

Deno.test("nobody but the library sees what it is given in place of setImmediate", async () => {
  const own = scope.setImmediate, classes = library();
  slowTicks(classes);
  const waited = new classes.GPUQueue().onSubmittedWorkDone(300);
  assert.equal(scope.setImmediate, own);
  let isOver = false;
  const others = (async () => {
    while (!isOver) {
      assert.equal(scope.setImmediate, own);
      await new Promise<void>((resolve) => own(resolve));
    }
  })();
  await waited;
  isOver = true;
  await others;
});
