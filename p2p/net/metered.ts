/**
 * A transport that counts what goes through it: the bytes of requests, answers and announcements, both ways.
 *
 * It counts messages as they are handed over, without what wraps them on the wire. An announcement counts once, however
 * many copies gossip makes of it or passes on for others; blobs, which are nearly all of the bytes, travel as answers.
 * @module
 */
import type { Transport } from "./transport.ts";

export interface Traffic {
  readonly upBytes: number;
  readonly downBytes: number;
}

export interface MeteredTransport extends Transport {
  /** Since it was made. */
  traffic(): Traffic;
}

/** The same transport, counted. Closing either closes both. */
export function metered(transport: Transport): MeteredTransport {
  let upBytes = 0, downBytes = 0;
  return {
    peer: transport.peer,
    traffic: () => ({ upBytes, downBytes }),
    addresses: () => transport.addresses(),
    relayedAddresses: () => transport.relayedAddresses(),
    peers: () => transport.peers(),
    link: (peer) => transport.link(peer),
    connect: (address, options) => transport.connect(address, options),
    announce(bytes, cell) {
      transport.announce(bytes, cell);
      upBytes += bytes.length;
    },
    hear: (cell) => transport.hear(cell),
    onAnnouncement: (handler) =>
      transport.onAnnouncement((bytes, from) => {
        downBytes += bytes.length;
        handler(bytes, from);
      }),
    async request(to, name, request, options) {
      upBytes += request.length;
      const answer = await transport.request(to, name, request, options);
      downBytes += answer.length;
      return answer;
    },
    admit: (peers) => transport.admit(peers),
    disconnect: (peer) => transport.disconnect(peer),
    onRequest: (name, handler) =>
      transport.onRequest(name, async (from, request) => {
        downBytes += request.length;
        const answer = await handler(from, request);
        upBytes += answer?.length ?? 0;
        return answer;
      }),
    onEvent: (handler) => transport.onEvent(handler),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
