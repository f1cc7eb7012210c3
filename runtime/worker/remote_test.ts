import { strict as assert } from "node:assert";
import { Moved, openRemote, serve, type WorkerScope } from "./remote.ts";

interface SumPort {
  sum(numbers: readonly number[]): number;
  fail(message: string): never;
  bytes(length: number): Moved<Uint8Array<ArrayBuffer>>;
  never(nothing: null): Promise<void>;
}

/** Both sides in one thread, over a channel that clones and moves like a worker's. */
function connect() {
  const { port1, port2 } = new MessageChannel();
  const events: string[] = [];
  const worker = {
    onmessage: null,
    onerror: null,
    postMessage: (message: unknown, transfer: Transferable[]) => port1.postMessage(message, transfer),
    terminate: () => port1.close(),
  } as unknown as Worker; // all of it that openRemote uses
  const scope: WorkerScope = {
    onmessage: null,
    postMessage: (message, transfer) => port2.postMessage(message, transfer ?? []),
  };
  const remote = openRemote<SumPort, string>(worker, (event) => events.push(event));
  let moved: Uint8Array | null = null;
  const tell = serve<SumPort, string>(scope, {
    sum(numbers) {
      tell(`adding ${numbers.length}`);
      return numbers.reduce((sum, number) => sum + number, 0);
    },
    fail(message) {
      throw new RangeError(message);
    },
    bytes(length) {
      moved = new Uint8Array(length).fill(7);
      return new Moved(moved as Uint8Array<ArrayBuffer>, [moved.buffer as ArrayBuffer]);
    },
    never: () => new Promise(() => {}),
  });
  port1.onmessage = (event) => worker.onmessage!(event);
  port2.onmessage = (event) => scope.onmessage!(event);
  return {
    remote,
    events,
    movedLength: () => moved?.length,
    crash: (message: string) => worker.onerror!(new ErrorEvent("error", { message })),
  };
}

Deno.test("a remote answers each call with its own result, and events arrive beside them", async () => {
  const { remote, events } = connect();
  assert.deepEqual(await Promise.all([remote.call("sum", [1, 2]), remote.call("sum", [3, 4, 5])]), [3, 12]);
  assert.deepEqual(events, ["adding 2", "adding 3"]);
  remote.terminate();
});

Deno.test("a remote's error rejects the call with its message and leaves the remote working", async () => {
  const { remote } = connect();
  await assert.rejects(remote.call("fail", "no memory"), /^RangeError: no memory$/);
  assert.equal(await remote.call("sum", [1]), 1);
  remote.terminate();
});

Deno.test("a remote moves buffers instead of copying them", async () => {
  const { remote, movedLength } = connect();
  assert.deepEqual(await remote.call("bytes", 3), new Uint8Array([7, 7, 7]));
  assert.equal(movedLength(), 0);
  remote.terminate();
});

Deno.test("a thread that crashes or is closed rejects what is open and what comes later", async () => {
  const crashed = connect(), open = crashed.remote.call("never", null);
  crashed.crash("out of luck");
  await assert.rejects(open, {
    name: "LearnerStoppedError",
    message: /^A thread of this peer has stopped: out of luck/,
  });
  await assert.rejects(crashed.remote.call("sum", [1]), /out of luck/);
  crashed.remote.terminate();

  const closed = connect(), waiting = closed.remote.call("never", null);
  closed.remote.terminate();
  await assert.rejects(waiting, /closed/);
});
