/**
 * Lets a Deno process end after libp2p has stopped. Import it before libp2p; it has no exports.
 *
 * libp2p's peer store takes its locks from `mortice`, which opens a BroadcastChannel to share them with other threads
 * and calls `unref()` on it, which Deno's channels do not have: the process would never exit. We run libp2p in one
 * thread alone, so that one channel, known by its name, is replaced by an object that hears nothing.
 * @module
 */
globalThis.BroadcastChannel = new Proxy(globalThis.BroadcastChannel, {
  construct(channel, [name]: [string]): object {
    return name === "mortice" ? new EventTarget() : new channel(name);
  },
});
