/**
 * `starling join`: becomes a peer of a run that is known by its ticket alone.
 * @module
 */
import { fetchGenesis, runIdOf } from "../p2p/genesis.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import type { Transport } from "../p2p/net/transport.ts";
import { TransportError } from "../p2p/net/transport_error.ts";
import type { PeerId } from "../p2p/sync/types.ts";
import { parseTicket, type Ticket } from "../p2p/ticket.ts";
import { genesisBytes, parseRunConfig } from "../runtime/config.ts";
import {
  createRunFolder,
  defaultStatePath,
  hasRun,
  openRunFolder,
  openStateFolder,
  type RunFolder,
} from "../runtime/run_folder.ts";
import { UsageError } from "./exit.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { note } from "./print.ts";
import { listenAddresses, rememberPort, runPeer } from "./run_peer.ts";
import type { PeerFlags } from "./peer_flags.ts";

/** A ticket that cannot be used. */
export class TicketError extends Error {
  override readonly name = "TicketError";
}

/** Joins and trains; returns the exit code. */
export async function join(
  { ticket: text, folder, ...flags }: PeerFlags & { readonly ticket: string; readonly folder?: string },
): Promise<number> {
  const parsed = parseTicket(text);
  if (!parsed.ok) throw new TicketError(parsed.reason);
  const { ticket } = parsed, path = folder ?? ticket.name;
  await expectSameRun(path, ticket);
  await using state = await openStateFolder(flags.state ?? defaultStatePath(path), { now: new Date() });
  using interrupt = listenForInterrupt();
  await using transport = await startLibp2p({
    identity: state.identity,
    run: ticket.run,
    listen: listenAddresses(flags, state),
    announce: flags.announce,
    networkKey: ticket.networkKey,
    mdns: flags.mdns,
    relay: flags.relay,
  });
  await rememberPort(transport, state, flags);
  const addresses = [...ticket.addresses, ...flags.peer];
  const peer = await meet(transport, addresses);
  const run = await openOrFetchRun(path, { ticket, transport, peer });
  return await runPeer({ run, state, transport, interrupt, flags, addresses });
}

async function expectSameRun(path: string, { run, name }: Ticket): Promise<void> {
  if (!await hasRun(path)) return;
  const { config } = await openRunFolder(path);
  if (await runIdOf(genesisBytes(config)) === run) return;
  throw new UsageError(
    `Cannot join "${name}" in '${path}': that folder holds another run, "${config.name}". Give another with --folder`,
  );
}

/** Connects to the first address that answers. @throws {TransportError} with what each of them said. */
async function meet(transport: Transport, addresses: readonly string[]): Promise<PeerId> {
  const answers: string[] = [];
  for (const address of addresses) {
    try {
      return await transport.connect(address);
    } catch (error) {
      answers.push(`  ${address}\n    ${error instanceof Error ? error.message : error}`);
      note(`no answer from ${address}`);
    }
  }
  throw new TransportError(
    "unreachable",
    `Cannot join: nobody answered.\n${answers.join("\n")}\n` +
      "Is a peer of this run on, and can this machine reach it? Ask for a fresh ticket, or add --peer <address>.",
  );
}

async function openOrFetchRun(path: string, { ticket, transport, peer }: {
  readonly ticket: Ticket;
  readonly transport: Transport;
  readonly peer: PeerId;
}): Promise<RunFolder> {
  if (!await hasRun(path)) {
    const genesis = await fetchGenesis(transport, peer, { run: ticket.run });
    const config = parseRunConfig(new TextDecoder().decode(genesis), "the run of this ticket");
    await createRunFolder(path, { config, networkKey: ticket.networkKey });
  }
  return await openRunFolder(path);
}
