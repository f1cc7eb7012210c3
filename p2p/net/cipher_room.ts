/**
 * Keeps the cipher of private runs within memory that it has from the beginning.
 *
 * libp2p's pre-shared key goes by `xsalsa20`, all of whose instances work in one WebAssembly memory and remember it as it
 * was. When one of them makes it larger the others have lost theirs, and each of them makes it larger still, up to its
 * limit of 62 MiB: then the process ends, after some hundred MiB of blobs, or one large message of a stranger's. So the
 * memory is made large before there is any connection, and nothing that would not fit is given to the cipher.
 *
 * The one thing to know before editing: what we send is at most a message and its frames, which is far less.
 * @module
 */
import { type ConnectionProtector, type MessageStream, StreamMessageEvent } from "@libp2p/interface";
import xsalsa20 from "xsalsa20";

const ROOM_BYTES = 16 << 20, MOST_BYTES = 1 << 20;

let hasRoom = false;

/** Wraps a protector; a drop-in for it in libp2p's options. */
export function withCipherRoom<Components>(
  make: (components: Components) => ConnectionProtector,
): (components: Components) => ConnectionProtector {
  makeRoom();
  return (components) => {
    const inner = make(components);
    return { protect: (connection, options) => inner.protect(inPieces(connection), options) };
  };
}

function makeRoom(): void {
  if (hasRoom) return;
  const cipher = xsalsa20(new Uint8Array(24), new Uint8Array(32));
  cipher.update(new Uint8Array(ROOM_BYTES));
  cipher.final();
  hasRoom = true;
}

/** The same connection, on which no more than a piece arrives at once: a WebSocket may bring 100 MiB. */
function inPieces<Connection extends MessageStream>(connection: Connection): Connection {
  const dispatch = connection.dispatchEvent.bind(connection);
  connection.dispatchEvent = (event: Event): boolean => {
    if (!(event instanceof StreamMessageEvent) || event.data.byteLength <= MOST_BYTES) return dispatch(event);
    const data = event.data.subarray();
    for (let start = 0; start < data.length; start += MOST_BYTES) {
      dispatch(new StreamMessageEvent(data.subarray(start, start + MOST_BYTES)));
    }
    return true;
  };
  return connection;
}
