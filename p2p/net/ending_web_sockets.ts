/**
 * libp2p's WebSockets, with sockets that end when their connection is aborted.
 *
 * Its own abort closes the socket with the code 1006, which nobody may send: that throws, libp2p logs it, and the socket
 * stays open for as long as the other side likes. A stranger has a connection aborted by sending more, before any
 * handshake, than is held for a reader, and could so leave any number of sockets behind.
 * @module
 */
import type { MultiaddrConnection, Upgrader } from "@libp2p/interface";
import { webSockets } from "@libp2p/websockets";

/** The parts of a WebSocket's connection that its type does not have. */
interface Insides {
  readonly websocket: {
    close(): void;
    /** Of a listener's sockets alone: ends it without asking the other side. */
    terminate?(): void;
  };
  sendReset(): void;
}

/** A drop-in for libp2p's transport. */
export function endingWebSockets(): ReturnType<typeof webSockets> {
  return (components) => {
    const transport = webSockets()(components);
    const dial = transport.dial.bind(transport), createListener = transport.createListener.bind(transport);
    transport.dial = (address, options) => dial(address, { ...options, upgrader: ending(options.upgrader) });
    transport.createListener = (options) => createListener({ ...options, upgrader: ending(options.upgrader) });
    return transport;
  };
}

/** The same upgrader, for the two steps that a transport asks of it. */
function ending(upgrader: Upgrader): Upgrader {
  const steps: Pick<Upgrader, "upgradeInbound" | "upgradeOutbound"> = {
    upgradeInbound: (connection, options) => upgrader.upgradeInbound(endingWhenAborted(connection), options),
    upgradeOutbound: (connection, options) => upgrader.upgradeOutbound(endingWhenAborted(connection), options),
  };
  return Object.assign(Object.create(upgrader), steps);
}

function endingWhenAborted(connection: MultiaddrConnection): MultiaddrConnection {
  const insides = connection as MultiaddrConnection & Insides, { websocket } = insides;
  insides.sendReset = () => websocket.terminate === undefined ? websocket.close() : websocket.terminate();
  return connection;
}
