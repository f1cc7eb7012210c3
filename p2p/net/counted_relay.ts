/**
 * libp2p's circuit relay, with a count of what goes through it: its own limits see the same bytes, but tell nobody.
 *
 * A relayed link is two streams that the relay joins: the one over which it was asked for, and the one that it opens to
 * the other peer. What is sent on either is counted, without the messages by which the link is made.
 * @module
 */
import { circuitRelayServer } from "@libp2p/circuit-relay-v2";
import type { Stream } from "@libp2p/interface";

type RelayFactory = ReturnType<typeof circuitRelayServer>;

/** The two steps of libp2p's relay that have the streams; they are public, but its type does not have them. */
interface RelaySteps {
  onHop(stream: Stream, ...rest: unknown[]): Promise<void>;
  stopHop(...asked: unknown[]): Promise<Stream | undefined>;
}

/** A relay service that tells of every piece it passes on, in bytes. */
export function countedRelay(
  init: Parameters<typeof circuitRelayServer>[0],
  onRelayed: (sizeBytes: number) => void,
): RelayFactory {
  return (components) => {
    const service = circuitRelayServer(init)(components), steps = service as typeof service & RelaySteps;
    const onHop = steps.onHop.bind(steps), stopHop = steps.stopHop.bind(steps);
    // What is sent first on the asker's stream is the relay's own answer.
    steps.onHop = (stream, ...rest) => onHop(counted(stream, 1, onRelayed), ...rest);
    steps.stopHop = async (...asked) => {
      const stream = await stopHop(...asked);
      return stream && counted(stream, 0, onRelayed);
    };
    return service;
  };
}

/** The same stream; what is sent on it is told, but for the first few messages. */
function counted(stream: Stream, uncounted: number, tell: (sizeBytes: number) => void): Stream {
  const send = stream.send.bind(stream);
  let sent = 0;
  stream.send = (data) => {
    if (sent++ >= uncounted) tell(data.byteLength);
    return send(data);
  };
  return stream;
}
