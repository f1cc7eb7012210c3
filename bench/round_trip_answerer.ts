/**
 * The other process of `round_trip.ts`: answers each request with as many bytes as it names, until its standard input
 * closes. Prints the address to dial when it is ready.
 * @module
 */
import { identityFromSeed } from "../p2p/identity.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { NETWORK_KEY, RUN } from "./blobs_donor.ts";

/** The name of the requests: 4 bytes big-endian, how many bytes to answer with. */
export const PROTOCOL = "round-trip/1";

if (import.meta.main) {
  await using transport = await startLibp2p({
    identity: identityFromSeed(new Uint8Array(32).fill(2)),
    run: RUN,
    listen: ["/ip4/127.0.0.1/tcp/0"],
    networkKey: Deno.args[0] === "private" ? NETWORK_KEY : null,
  });
  transport.onRequest(PROTOCOL, (_, request) => {
    const count = new DataView(request.buffer, request.byteOffset).getUint32(0);
    return Promise.resolve(new Uint8Array(count));
  });
  console.log(transport.addresses()[0]!);
  for await (const _ of Deno.stdin.readable) { /* only its end matters */ }
}
