/**
 * A libp2p node set up for Starling: which protocols it speaks, and the limits that its defaults get wrong for us.
 *
 * The numbers come from measurements; each says what happens without it.
 * @module
 */
import "./no_mortice_channel.ts";
import { circuitRelayTransport } from "@libp2p/circuit-relay-v2";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { type GossipSub, gossipsub, StrictSign, TopicValidatorResult } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import type { Libp2p, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { mdns } from "@libp2p/mdns";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { preSharedKey } from "@libp2p/pnet";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import { toString } from "uint8arrays";
import type { Clock } from "../clock.ts";
import type { Identity } from "../identity.ts";
import { digitsOf } from "../sync/cells.ts";
import type { Digest } from "../sync/types.ts";
import { withCipherRoom } from "./cipher_room.ts";
import { countedRelay } from "./counted_relay.ts";
import { dialerSpeaksFirst } from "./dialer_speaks_first.ts";
import { endingWebSockets } from "./ending_web_sockets.ts";
import { listenError } from "./libp2p_errors.ts";
import type { Gate } from "./libp2p_gater.ts";
import { catchStrayErrors } from "./stray_errors.ts";
import { topicOf, topicsAbove } from "./topics.ts";
import { LARGEST_ANNOUNCEMENT_BYTES } from "./transport.ts";
import { wholeWrites } from "./whole_writes.ts";

export const DIAL_TIMEOUT_MS = 15_000;
const MOST_CONNECTIONS = 300;
/** What one peer relays: so many others, and for each pair so much before the link is made anew. */
const MOST_RESERVATIONS = 128, RELAYED_BYTES = 32n << 20n, RELAYED_MS = 60 * 60_000;

/** Who joins which run, and where it listens. */
export interface Libp2pOptions {
  readonly identity: Identity;
  /** Peers of other runs are not heard and not counted as connected. */
  readonly run: Digest;
  /** Multiaddresses, port 0 for any free one: "/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/tcp/4002/ws". */
  readonly listen: readonly string[];
  /** Where others are told to dial instead of the addresses listened on: a forwarded port. */
  readonly announce?: readonly string[];
  /** 32 bytes that only members have; null for an open run. */
  readonly networkKey: Uint8Array | null;
  /** Look for peers of this run in the local network. */
  readonly mdns?: boolean;
  /** Pass on control messages between peers that cannot connect directly. Default: yes. */
  readonly relay?: boolean;
  /** What requests and dials are given up by. Default: the machine's. */
  readonly clock?: Clock;
}

export type StarlingNode = Libp2p<{ readonly pubsub: GossipSub }>;

/** A node, and what libp2p's own interface has no word for. */
export interface StartedNode {
  readonly node: StarlingNode;
  /** Asks a connected peer to relay to this one. @throws {Error} if it will not. */
  reserve(relay: Libp2pPeerId): Promise<void>;
  /** Told of what goes through this node between two others, in bytes. */
  onRelayed(handler: (sizeBytes: number) => void): void;
  /** Where it listens, public addresses too, which libp2p keeps back until somebody has dialled them; or is announced. */
  listening(): readonly string[];
}

/** @throws {TransportError} "no port" if it cannot listen where it should. */
export async function startNode(
  { identity, run, listen, announce = [], networkKey, mdns: local, relay = true }: Libp2pOptions,
  gate: Gate,
): Promise<StartedNode> {
  const topics = [...topicsAbove(run, digitsOf({ run }, identity.peer))];
  const privateKey = await generateKeyPairFromSeed("Ed25519", identity.seed);
  let reservations: Reservations | undefined, onRelayed = (_sizeBytes: number): void => {};
  const relayTransport: typeof circuitRelayTransport = (init) => (components) => {
    const transport = circuitRelayTransport(init)(components);
    reservations = (transport as typeof transport & { readonly reservationStore: Reservations }).reservationStore;
    return transport;
  };
  try {
    const node = await createLibp2p({
      privateKey,
      addresses: { listen: [...listen], announce: [...announce] },
      transports: [tcp(), endingWebSockets(), relayTransport()],
      connectionEncrypters: [wholeWrites(noise())],
      connectionGater: gate.gater,
      // A pre-shared key wraps every connection, before noise: strangers do not get as far as a handshake.
      ...(networkKey === null
        ? {}
        : { connectionProtector: dialerSpeaksFirst(withCipherRoom(preSharedKey({ psk: swarmKey(networkKey) }))) }),
      // With yamux's own 16 MiB, a ping waits behind so much bulk on a slow link that the connection is given up.
      streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 1 << 20 } })],
      connectionManager: {
        maxConnections: MOST_CONNECTIONS,
        dialTimeout: DIAL_TIMEOUT_MS,
        // The default, 5 a second from one host, resets peers that share an address or start together.
        inboundConnectionThreshold: 100,
        maxIncomingPendingConnections: 100,
        reconnectRetries: 0, // the host decides whom to dial again
      },
      // Some uplinks need longer than the default 5 s for what is queued before a ping.
      connectionMonitor: { pingInterval: 10_000, pingTimeout: { minTimeout: 15_000 } },
      peerDiscovery: local === true ? [mdns({ serviceTag: `_starling-${run.slice(0, 16)}._udp.local` })] : [],
      services: {
        identify: identify(),
        listening: ({ addressManager }: NodeParts) => ({
          addresses: () =>
            addressManager.getAddressesWithMetadata().filter(({ type }) => type === "transport")
              .map(({ multiaddr }) => multiaddr.toString()),
        }),
        ping: ping(),
        pubsub: gossipsub({
          globalSignaturePolicy: StrictSign,
          allowPublishToZeroTopicPeers: true,
          allowedTopics: topics, // a peer may come to be in any of these cells, and in no other
          runOnLimitedConnection: true, // or a relayed peer would never count as connected
        }),
        ...(relay
          ? {
            relay: countedRelay({
              reservations: {
                maxReservations: MOST_RESERVATIONS,
                defaultDataLimit: RELAYED_BYTES,
                defaultDurationLimit: RELAYED_MS,
              },
            }, (sizeBytes) => onRelayed(sizeBytes)),
          }
          : {}),
      },
    });
    const strays = catchStrayErrors();
    node.addEventListener("stop", () => strays[Symbol.dispose]());
    gate.watch(() => node.getConnections());
    const { pubsub } = node.services;
    for (const topic of topics) {
      pubsub.topicValidators.set(topic, (_, message) => {
        if (message.data.length > LARGEST_ANNOUNCEMENT_BYTES) return TopicValidatorResult.Reject;
        // What somebody else says who is not admitted goes no further; the neighbour that passed it on may know an older list.
        const isHeard = message.type !== "signed" || gate.admits(message.from.toString());
        return isHeard ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore;
      });
    }
    pubsub.subscribe(topicOf(run, ""));
    return {
      node,
      reserve: async (peer) => void await reservations?.addRelay(peer, "configured"),
      onRelayed: (handler) => onRelayed = handler,
      listening: () => {
        const addresses = announce.length > 0 ? announce : node.services.listening.addresses();
        return addresses.map((address) => `${address}/p2p/${identity.peer}`);
      },
    };
  } catch (error) {
    throw listenError(listen, error);
  }
}

/**
 * The part of libp2p's relay transport that makes reservations, whose type it does not export. Listening on a relay's
 * address would do the same, but leaves a listener behind each time that the relay is lost and found again.
 */
interface Reservations {
  addRelay(relay: Libp2pPeerId, type: "configured"): Promise<unknown>;
}

/** The part of libp2p's insides that knows where a node listens; its types are in a package of their own. */
interface NodeParts {
  readonly addressManager: {
    getAddressesWithMetadata(): readonly { readonly multiaddr: { toString(): string }; readonly type: string }[];
  };
}

/** The file format of @libp2p/pnet. */
function swarmKey(key: Uint8Array): Uint8Array {
  return new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${toString(key, "base16")}`);
}
