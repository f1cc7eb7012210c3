/**
 * How often Dawn looks whether the GPU is done.
 *
 * The library has no thread for that: while it waits, it asks the runtime for `setImmediate` again and again, some
 * 60,000 times a second. That is a core; and each is a function of native code, which Deno frees, when the collector
 * comes to it, in a time that grows with the square of how many there are: a process was seen to stand still for
 * minutes. So what the library is given in place of `setImmediate` looks at once for a short wait, and each millisecond
 * in a long one.
 *
 * The one thing to know before editing: the replacement is global only while the library's own code runs, which is
 * synchronous, so nobody else sees it.
 * @module
 */

/** So many looks are at once, some 3 ms: what is short is measured exactly, and 200 functions are freed in no time. */
const HASTY_LOOKS = 200;
/** With what a timer is late, a long wait may take two milliseconds longer than its work. */
const PAUSE_MS = 1;

type Task = () => void;

/** Browsers have none, and no Dawn. */
const scope = globalThis as unknown as { setImmediate?: (task: Task) => unknown };
const soon = scope.setImmediate;

/** Of each class of the library what makes it wait for the GPU. */
const WAITS: Readonly<Record<string, readonly string[]>> = {
  GPUBuffer: ["mapAsync"],
  GPUDevice: ["createComputePipelineAsync", "popErrorScope"],
  GPUQueue: ["onSubmittedWorkDone"],
};

/** Makes the classes of a library look so from now on. */
export function slowTicks(classes: Readonly<Record<string, { readonly prototype: object }>>): void {
  let looks = 0;
  const schedule = (look: Task): void => {
    const task = () => within(look);
    if (looks++ < HASTY_LOOKS) soon!(task);
    else setTimeout(task, PAUSE_MS);
  };
  const within = <T>(call: () => T): T => {
    const before = scope.setImmediate;
    scope.setImmediate = schedule;
    try {
      return call();
    } finally {
      scope.setImmediate = before!;
    }
  };
  for (const [name, methods] of Object.entries(WAITS)) {
    const prototype = classes[name]!.prototype as Record<string, (...args: unknown[]) => unknown>;
    for (const method of methods) {
      const call = prototype[method]!;
      prototype[method] = function (...args) {
        looks = 0; // whatever else it waits for
        return within(() => call.apply(this, args));
      };
    }
  }
}
