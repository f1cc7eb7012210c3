/**
 * Lets a pre-shared key work over WebSocket: the side that listens is silent until the dialer has sent something.
 *
 * The key's handshake has both sides send at once, and a dialing WebSocket loses what arrives before libp2p has got hold
 * of it. Over TCP the order makes no difference.
 * @module
 */
import type { ConnectionProtector, MessageStream, StreamMessageEvent } from "@libp2p/interface";

/** Wraps a protector; a drop-in for it in libp2p's options. */
export function dialerSpeaksFirst<Components>(
  make: (components: Components) => ConnectionProtector,
): (components: Components) => ConnectionProtector {
  return (components) => {
    const inner = make(components);
    const protect: ConnectionProtector["protect"] = async (connection, options) => {
      if (connection.direction === "inbound") await firstBytes(connection, options?.signal);
      return await inner.protect(connection, options);
    };
    return { protect };
  };
}

/** Resolves when something has arrived, which is left to be read. */
function firstBytes(connection: MessageStream, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onMessage = ({ data }: StreamMessageEvent): void => {
    end();
    connection.unshift(data);
    resolve();
  };
  const onClose = (): void => {
    end();
    reject(new Error("The connection was closed before anything arrived"));
  };
  const end = (): void => {
    connection.removeEventListener("message", onMessage);
    connection.removeEventListener("close", onClose);
    signal?.removeEventListener("abort", onClose);
  };
  connection.addEventListener("close", onClose);
  signal?.addEventListener("abort", onClose);
  connection.addEventListener("message", onMessage);
  return promise;
}
