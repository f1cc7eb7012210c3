/**
 * Whom a node lets in: the members of a run with a list, and of anybody's identities no more than fit one host.
 *
 * A peer that is not admitted is cut off as soon as its key is known, before streams and so before any protocol: it
 * learns that somebody is here whom its address already named, and nothing of the run.
 * @module
 */
import type { Connection, ConnectionGater, MultiaddrConnection } from "@libp2p/interface";
import type { PeerId } from "../sync/types.ts";

/** Connections from one address, and identities behind them: a household or a lab behind one router, not a thousand. */
const MOST_CONNECTIONS_OF_HOST = 64, MOST_IDENTITIES_OF_HOST = 32;

export class Gate {
  #admitted: ReadonlySet<string> | null = null;
  #connections: () => readonly Connection[] = () => [];

  /** Where to look up who is connected, once there is a node. */
  watch(connections: () => readonly Connection[]): void {
    this.#connections = connections;
  }

  /** Only these from now on; null: everybody. Closing what is open already is the caller's part. */
  admit(peers: readonly PeerId[] | null): void {
    this.#admitted = peers === null ? null : new Set<string>(peers);
  }

  admits(peer: string): boolean {
    return this.#admitted?.has(peer) ?? true;
  }

  /** For libp2p's options. */
  readonly gater: ConnectionGater = {
    denyDialPeer: (peer) => !this.admits(peer.toString()),
    denyInboundConnection: (connection) => this.#from(connection).length >= MOST_CONNECTIONS_OF_HOST,
    denyInboundEncryptedConnection: (peer, connection) =>
      !this.admits(peer.toString()) || this.#isCrowded(peer.toString(), connection),
    denyOutboundEncryptedConnection: (peer) => !this.admits(peer.toString()),
  };

  #isCrowded(peer: string, connection: MultiaddrConnection): boolean {
    const identities = new Set(this.#from(connection).map(({ remotePeer }) => remotePeer.toString()));
    return !identities.has(peer) && identities.size >= MOST_IDENTITIES_OF_HOST;
  }

  /** Connections from the same host; none for this machine itself, or when a relay's address hides the host. */
  #from({ remoteAddr }: MultiaddrConnection): readonly Connection[] {
    const host = hostOf(remoteAddr.toString());
    return host === null ? [] : this.#connections().filter((other) => hostOf(other.remoteAddr.toString()) === host);
  }
}

function hostOf(address: string): string | null {
  const [, host] = /^(\/ip[46]\/[^/]+)/.exec(address) ?? [];
  const isHidden = host === undefined || /^\/(ip4\/127\.|ip6\/::1$)/.test(host) || address.includes("/p2p-circuit");
  return isHidden ? null : host;
}
