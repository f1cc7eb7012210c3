/**
 * A run's genesis, its `run.json` in canonical bytes: served to whoever has the ticket, believed only if it gives the
 * run's id.
 * @module
 */
import type { Transport } from "./net/transport.ts";
import { TransportError } from "./net/transport_error.ts";
import { sha256 } from "./store/chunks.ts";
import type { Digest, PeerId } from "./sync/types.ts";

const PROTOCOL = "genesis/1";

/** The id of the run that begins with these bytes. */
export function runIdOf(genesis: Uint8Array<ArrayBuffer>): Promise<Digest> {
  return sha256(genesis);
}

export function serveGenesis(transport: Pick<Transport, "onRequest">, genesis: Uint8Array): void {
  transport.onRequest(PROTOCOL, () => Promise.resolve(genesis));
}

/**
 * Asks a connected peer for the genesis of a run.
 * @throws {TransportError} if the peer does not answer, or answers with another run's.
 */
export async function fetchGenesis(
  transport: Pick<Transport, "request">,
  peer: PeerId,
  options: { readonly run: Digest; readonly signal?: AbortSignal },
): Promise<Uint8Array<ArrayBuffer>> {
  const { run, ...rest } = options;
  const genesis = await transport.request(peer, PROTOCOL, new Uint8Array(), rest);
  const found = await runIdOf(genesis);
  if (found === run) return genesis;
  throw new TransportError(
    "invalid",
    `Cannot join: ${peer} sent the configuration of run ${found}, the ticket is for ${run}. Ask for a new ticket.`,
  );
}
