/**
 * Keeps the end of somebody else's connection from ending this process.
 *
 * libp2p's muxer opens streams and grants windows in microtasks of its own. If the connection ends just before, the
 * error has no promise and no caller to go to, and Deno would exit for it. Whoever used that stream is told anyway: it
 * ends. Errors of any other kind, or from anywhere else, are left alone.
 * @module
 */

/** What libp2p throws when a stream or a connection is no more. */
const NAMES: ReadonlySet<string> = new Set([
  "ConnectionClosedError",
  "ConnectionClosingError",
  "MuxerClosedError",
  "StreamAbortedError",
  "StreamResetError",
  "StreamStateError",
]);

let users = 0;

/** From now until disposal, of the last user if there are several. */
export function catchStrayErrors(): Disposable {
  if (users++ === 0) {
    globalThis.addEventListener("error", onError);
    globalThis.addEventListener("unhandledrejection", onRejection);
  }
  let isOver = false;
  return {
    [Symbol.dispose]() {
      if (isOver) return;
      isOver = true;
      if (--users > 0) return;
      globalThis.removeEventListener("error", onError);
      globalThis.removeEventListener("unhandledrejection", onRejection);
    },
  };
}

function onError(event: ErrorEvent): void {
  if (isStray(event.error)) event.preventDefault();
}

function onRejection(event: PromiseRejectionEvent): void {
  if (isStray(event.reason)) event.preventDefault();
}

/** Whether this is a connection's end, told by libp2p itself. */
export function isStray(error: unknown): boolean {
  return error instanceof Error && NAMES.has(error.name) && /[@/]libp2p\//.test(error.stack ?? "");
}
