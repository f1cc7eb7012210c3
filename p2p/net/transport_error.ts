/**
 * Why a transport did not do what it was asked, for programs (`kind`) and for people (the message).
 * @module
 */
import { reasonOf } from "../reason.ts";
import type { PeerId } from "../sync/types.ts";

export type TransportFailure =
  /** The peer is not connected, or went away before it answered. */
  | "gone"
  /** The peer does not serve this, or will not. */
  | "refused"
  /** It did not answer in time. */
  | "late"
  /** Its bytes are not what was agreed. */
  | "invalid"
  /** The caller's signal aborted. */
  | "aborted"
  /** This transport is closed. */
  | "closed"
  /** Nobody could be reached at an address, or not the peer that was wanted. */
  | "unreachable"
  /** This peer cannot listen where it was told to. */
  | "no port";

export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly kind: TransportFailure;

  constructor(kind: TransportFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** What kind of failure an error is; null if no transport made it. */
export function failureOf(error: unknown): TransportFailure | null {
  return error instanceof TransportError ? error.kind : null;
}

/** Why a connection was not made, from the error of `Transport.connect`, without the address that its text begins with. */
export function whyNotConnected(error: unknown): string {
  return reasonOf(error).replace(/^Cannot connect to \S+: /, "");
}

/** A failed request, in words. */
export function requestError(
  kind: TransportFailure,
  { to, name, because, cause }: {
    readonly to: PeerId;
    readonly name: string;
    readonly because: string;
    readonly cause?: unknown;
  },
): TransportError {
  return new TransportError(kind, `Cannot ask ${to} for ${name}: ${because}`, { cause });
}
