/**
 * Calls from one thread to another, typed by the port that they go to.
 *
 * A port is a record of functions of one argument; the caller's side gets a promise for each call, the serving side
 * implements the port and may send events of its own. Errors cross as their messages. Nothing is copied that the caller
 * lists as transferred or that is shared memory.
 * @module
 */
import { LearnerStoppedError } from "../../p2p/learner.ts";

/** Functions that a thread offers, by name; each takes one value that can be cloned. */
export type Port<P> = { readonly [K in keyof P]: (argument: never) => unknown };

type Argument<P extends Port<P>, K extends keyof P> = Parameters<P[K]>[0];
type Answer<P extends Port<P>, K extends keyof P> = Unmoved<Awaited<ReturnType<P[K]>>>;
type Unmoved<V> = V extends Moved<infer T> ? T : V;

/** An answer whose buffers are moved to the caller instead of copied; the serving side loses them. */
export class Moved<T> {
  constructor(readonly value: T, readonly buffers: readonly ArrayBuffer[]) {}
}

type Call<P extends Port<P>> = {
  [K in keyof P]: { readonly id: number; readonly name: K; readonly argument: Argument<P, K> };
}[keyof P];

type Reply<P extends Port<P>, E> =
  | { readonly kind: "answer"; readonly id: number; readonly value: Answer<P, keyof P> }
  | { readonly kind: "error"; readonly id: number; readonly name: string; readonly message: string }
  | { readonly kind: "event"; readonly event: E };

/** A thread and what can be asked of it. */
export interface Remote<P extends Port<P>> {
  call<K extends keyof P>(name: K, argument: Argument<P, K>, transfer?: Transferable[]): Promise<Answer<P, K>>;
  /** Ends the thread at once; open calls are rejected. */
  terminate(): void;
}

/** The caller's side. @param onEvent Hears the events of the serving side. */
export function openRemote<P extends Port<P>, E>(worker: Worker, onEvent: (event: E) => void): Remote<P> {
  const open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0, gone: Error | null = null;

  const end = (error: Error) => {
    gone ??= error;
    for (const { reject } of open.values()) reject(gone);
    open.clear();
  };
  worker.onmessage = ({ data }: MessageEvent<Reply<P, E>>) => {
    if (data.kind === "event") return onEvent(data.event);
    const waiting = open.get(data.id);
    open.delete(data.id);
    if (data.kind === "answer") waiting?.resolve(data.value);
    else waiting?.reject(Object.assign(new Error(data.message), { name: data.name }));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(new LearnerStoppedError(`A thread of this peer has stopped: ${event.message}`));
  };

  return {
    call: <K extends keyof P>(name: K, argument: Argument<P, K>, transfer: Transferable[] = []) =>
      new Promise<Answer<P, K>>((resolve, reject) => {
        if (gone !== null) return reject(gone);
        const id = ++lastId;
        open.set(id, { resolve: (value) => resolve(value as Answer<P, K>), reject }); // answers carry their call's id
        worker.postMessage({ id, name, argument }, transfer);
      }),
    terminate() {
      worker.terminate();
      end(new Error("This thread was closed"));
    },
  };
}

/** What the serving side needs of its global scope. */
export interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/**
 * The serving side. Calls are begun in the order they came.
 * @returns The function that sends an event.
 */
export function serve<P extends Port<P>, E>(scope: WorkerScope, port: P): (event: E) => void {
  const send = (reply: Reply<P, E>, moved: readonly ArrayBuffer[] = []) => scope.postMessage(reply, [...moved]);
  scope.onmessage = async ({ data: { id, name, argument } }: MessageEvent<Call<P>>) => {
    try {
      const answer: unknown = await port[name](argument as never);
      const { value, buffers } = answer instanceof Moved ? answer : { value: answer, buffers: [] };
      send({ kind: "answer", id, value: value as Answer<P, keyof P> }, buffers); // what the port gave for this name
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
      send({ kind: "error", id, name, message });
    }
  };
  return (event) => send({ kind: "event", event });
}
