/**
 * One key, one peer: finds out whether another process runs with this peer's key.
 *
 * Two such peers hide each other: whoever is connected to one of them keeps to that connection. So a peer asks those it
 * reaches to hand a fresh random number to whoever else they know under its id; the other signs it, and that signature,
 * which the peer did not make itself, is the proof. Nobody without the key can make it, so nobody can stop a peer by
 * lying. A process that has died signs nothing: a restart meets no ghost of itself.
 * @module
 */
import { fromString } from "uint8arrays";
import type { Clock } from "../clock.ts";
import { type Identity, SIGNATURE_BYTES, verifySignature } from "../identity.ts";
import { sha256 } from "../store/chunks.ts";
import type { Digest, PeerId } from "../sync/types.ts";
import { Deadline } from "./deadline.ts";
import type { Transport } from "./transport.ts";

/** To another peer: "who else is me?" And to whoever claims an id: "are you somebody else than the one who asks?" */
const ASK_PROTOCOL = "twins/1", SIGN_PROTOCOL = "twins-sign/1";
const NUMBER_BYTES = 32;
/** How long the other may take to sign. */
const SIGN_TIMEOUT_MS = 5_000;
/** Peers of known addresses are asked as soon as they are reached: tried this often, so many times. */
const TRY_EVERY_MS = 1_000, MOST_TRIES = 20;

/** Another process runs with this peer's key. */
export class IdentityInUseError extends Error {
  override readonly name = "IdentityInUseError";
}

export interface TwinsOptions {
  readonly identity: Identity;
  readonly run: Digest;
  readonly clock: Clock;
  /** Who is dialled. A peer that keeps to the other connection never counts as connected, and can be asked all the same. */
  readonly dialled: readonly PeerId[];
  /** Told once. */
  readonly onTwin: (error: IdentityInUseError) => void;
}

/** Serves others' questions and asks its own until disposed. */
export function watchForTwins(transport: Transport, options: TwinsOptions): Disposable {
  return new Twins(transport, options);
}

class Twins implements Disposable {
  readonly #transport: Transport;
  readonly #options: TwinsOptions;
  readonly #number = crypto.getRandomValues(new Uint8Array(NUMBER_BYTES));
  readonly #closing = new AbortController();
  #unanswered: readonly PeerId[];
  #alarm: Disposable | null = null;

  constructor(transport: Transport, options: TwinsOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#unanswered = options.dialled;
    transport.onRequest(ASK_PROTOCOL, (from, number) => this.#fromTwinOf(from, number));
    transport.onRequest(SIGN_PROTOCOL, (_, number) => this.#sign(number));
    transport.onEvent((event) => {
      if (event.kind === "connected") this.#ask(event.peer);
    });
    for (const peer of transport.peers()) this.#ask(peer);
    this.#tryDialled(MOST_TRIES);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    this.#alarm?.[Symbol.dispose]();
  }

  #tryDialled(tries: number): void {
    if (tries === 0 || this.#unanswered.length === 0 || this.#closing.signal.aborted) return;
    for (const peer of this.#unanswered) this.#ask(peer);
    const { clock } = this.#options;
    this.#alarm = clock.alarm(clock.now() + TRY_EVERY_MS, () => this.#tryDialled(tries - 1));
  }

  async #ask(peer: PeerId): Promise<void> {
    const { identity, run, onTwin } = this.#options;
    if (this.#closing.signal.aborted) return;
    try {
      const signal = this.#closing.signal;
      const signature = await this.#transport.request(peer, ASK_PROTOCOL, this.#number, { signal });
      this.#unanswered = this.#unanswered.filter((other) => other !== peer);
      const isTwins = signature.length === SIGNATURE_BYTES &&
        verifySignature(identity.peer, await digestOf(run, this.#number), signature);
      if (!isTwins || this.#closing.signal.aborted) return;
      this.#closing.abort();
      onTwin(
        new IdentityInUseError(
          `Cannot go on: another machine runs with this peer's key (${identity.peer}); ${peer} is connected to it. ` +
            "Stop that one, or give this one a key of its own: delete identity.key in its folder, or use another " +
            "folder with --state.",
        ),
      );
    } catch { /* not reached, or it does not serve this: others may know */ }
  }

  /** The signature of another peer with this id than the one who asks; nothing if there is none. */
  async #fromTwinOf(peer: PeerId, number: Uint8Array): Promise<Uint8Array | null> {
    if (number.length !== NUMBER_BYTES) return null;
    using deadline = new Deadline(SIGN_TIMEOUT_MS, { others: [this.#closing.signal] });
    try {
      return await this.#transport.request(peer, SIGN_PROTOCOL, number, { signal: deadline.signal });
    } catch {
      return new Uint8Array(); // the asker itself, which refuses, or a connection that leads nowhere any more
    }
  }

  /** Signs any number but its own: that would be a proof against itself. */
  async #sign(number: Uint8Array): Promise<Uint8Array | null> {
    const isOwn = this.#number.every((byte, i) => byte === number[i]);
    if (number.length !== NUMBER_BYTES || isOwn || this.#closing.signal.aborted) return null;
    const { identity, run } = this.#options;
    return identity.sign(await digestOf(run, number));
  }
}

/** What is signed; the text keeps it apart from all else that a peer signs. */
function digestOf(run: Digest, number: Uint8Array): Promise<Digest> {
  const text = fromString("starling twin\n", "utf8"), bytes = new Uint8Array(text.length + 32 + NUMBER_BYTES);
  bytes.set(text);
  bytes.set(fromString(run, "base16"), text.length);
  bytes.set(number, text.length + 32);
  return sha256(bytes);
}
