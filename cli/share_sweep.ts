/**
 * Lets others help with a sweep: a private run of its own, with a ticket, that carries trials and nothing else.
 * @module
 */
import { identityFromSeed } from "../p2p/identity.ts";
import { runIdOf, serveGenesis } from "../p2p/genesis.ts";
import { serveBlobs } from "../p2p/net/blob_server.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import { formatTicket } from "../p2p/ticket.ts";
import { genesisBytes, type RunConfig } from "../runtime/config.ts";
import type { Dealer } from "../runtime/experiment/dealer.ts";
import { IDLE_MS, serveTrials } from "../runtime/experiment/sharing.ts";
import { realClock } from "../runtime/worker/clock.ts";
import { counted, shortPeer } from "./format.ts";
import { json, line, type Manner } from "./print.ts";
import type { SweepView } from "./sweep_view.ts";

export interface Sharing extends AsyncDisposable {
  /** Stays until waiting helpers have heard that nothing is left. */
  tellDone(signal: AbortSignal): Promise<void>;
}

/** Addresses in a ticket, at most. */
const MOST_ADDRESSES = 8;

/** Starts to deal trials to others and prints the ticket. */
export async function shareSweep(
  config: RunConfig,
  { blobs, dealer, view, flags }: {
    readonly blobs: BlobStore;
    readonly dealer: Dealer;
    readonly view: SweepView;
    readonly flags: { readonly listen: string; readonly port?: number; readonly manner: Manner };
  },
): Promise<Sharing> {
  const genesis = genesisBytes(config), run = await runIdOf(genesis);
  const networkKey = crypto.getRandomValues(new Uint8Array(32)); // so that no peer of the run itself is met
  const transport = await startLibp2p({
    identity: identityFromSeed(crypto.getRandomValues(new Uint8Array(32))),
    run,
    listen: listenAt(flags),
    networkKey,
    mdns: false,
  });
  let helpers = 0;
  serveGenesis(transport, genesis);
  serveBlobs(transport, blobs);
  serveTrials(transport, {
    dealer,
    clock: realClock,
    onEvent(event) {
      if (event.kind === "result") return view.take(event);
      helpers++;
      view.say(`${shortPeer(event.peer)} helps: ${event.trial.id}, ${counted(event.trial.mostTokens)} tokens at most`);
    },
  });
  const addresses = transport.addresses().slice(0, MOST_ADDRESSES);
  const ticket = formatTicket({ run, name: config.name, addresses, networkKey });
  if (flags.manner === "json") json({ kind: "shared", ticket });
  else line(`Others help with:\n  deno task starling cbs --join ${ticket}\n`);
  return {
    async tellDone(signal) {
      if (helpers > 0) await realClock.sleep(2 * IDLE_MS, signal);
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

export function listenAt({ listen, port }: { readonly listen: string; readonly port?: number }): string[] {
  return [`${listen.includes(":") ? `/ip6/${listen}` : `/ip4/${listen}`}/tcp/${port ?? 0}`];
}
