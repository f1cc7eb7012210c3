/**
 * Has what an encrypted connection sends written in one piece: for the system, a write is dear and a copy is cheap.
 *
 * libp2p hands a message down as a list of what its layers put before and between its bytes, and its TCP writes each
 * member of the list alone: of 64 KiB of a blob, four writes. Only the writing changes, no byte of what is written.
 * @module
 */
import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";

/** Wraps an encrypter; a drop-in for it in libp2p's options. */
export function wholeWrites<Components>(
  make: (components: Components) => ConnectionEncrypter,
): (components: Components) => ConnectionEncrypter {
  return (components) => {
    const inner = make(components);
    return {
      protocol: inner.protocol,
      secureInbound: (connection, options) => inner.secureInbound(joining(connection), options),
      secureOutbound: (connection, options) => inner.secureOutbound(joining(connection), options),
    };
  };
}

/** The same connection, which joins the parts of what it is given to send. */
function joining<Connection extends MessageStream>(connection: Connection): Connection {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray());
  return connection;
}
