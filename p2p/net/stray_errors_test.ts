import { strict as assert } from "node:assert";
import { StreamStateError } from "@libp2p/interface";
import { catchStrayErrors, isStray } from "./stray_errors.ts";

/** An error as libp2p throws it. */
function ended(): Error {
  const error = new StreamStateError("Cannot write to a stream that is closed");
  error.stack += "\n    at YamuxMuxer.sendFrame (file:///cache/@libp2p/yamux/8.0.3/src/muxer.ts:480:17)";
  return error;
}

/** Whether an error that nobody catches is let through to the process. */
function endsProcess(error: Error): boolean {
  return globalThis.dispatchEvent(new ErrorEvent("error", { error, cancelable: true }));
}

Deno.test("the end of a connection, thrown where nobody can catch it, ends no process while a node lives", () => {
  const first = catchStrayErrors(), second = catchStrayErrors();
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(endsProcess(ended()), false);
  second[Symbol.dispose]();
  assert.equal(endsProcess(ended()), true);
});

Deno.test("an error of our own, or of another kind, is nothing stray", () => {
  const other = new TypeError("x is not a function");
  other.stack += "\n    at file:///cache/@libp2p/yamux/8.0.3/src/muxer.ts:1:1";
  const own = ended();
  own.stack = "StreamStateError: no\n    at send (file:///starling/p2p/net/blobs.ts:1:1)";
  assert.deepEqual([isStray(ended()), isStray(other), isStray(own), isStray("text")], [true, false, false, false]);
});
