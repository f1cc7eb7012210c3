/**
 * `starling join`: becomes a peer of a run that is known by its ticket alone.
 * @module
 */
import { fetchGenesis, runIdOf } from "../p2p/genesis.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import type { Transport } from "../p2p/net/transport.ts";
import { failureOf, TransportError, whyNotConnected } from "../p2p/net/transport_error.ts";
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
import { EXIT, UsageError } from "./exit.ts";
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
  const run = await enter(path, { ticket, transport, addresses, signal: interrupt.signal });
  return run === null ? EXIT.done : await runPeer({ run, state, transport, interrupt, flags, addresses });
}

export interface Entering {
  readonly ticket: Ticket;
  readonly transport: Transport;
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
}

/** Meets a peer and has the run from it; null if it was interrupted. */
async function enter(path: string, entering: Entering): Promise<RunFolder | null> {
  try {
    return await openOrFetchRun(path, { ...entering, peer: await meet(entering) });
  } catch (error) {
    if (entering.signal.aborted) return null;
    throw error;
  }
}

async function expectSameRun(path: string, { run, name }: Ticket): Promise<void> {
  if (!await hasRun(path)) return;
  const { config } = await openRunFolder(path);
  if (await runIdOf(genesisBytes(config)) === run) return;
  throw new UsageError(
    `Cannot join "${name}" in '${path}': that folder holds another run, "${config.name}". Give another with --folder`,
  );
}

/** One address is given up after this long if others are left to try. */
const IMPATIENT_MS = 6_000;

/** Connects to the first address that answers. @throws {TransportError} with each cause once, and where it was met. */
export async function meet({ transport, addresses, ticket: { name }, signal }: Entering): Promise<PeerId> {
  const turnedAwayBy = new Map<string, string>(), causes: (readonly [cause: string, address: string])[] = [];
  for (const [i, address] of addresses.entries()) {
    const peer = address.slice(address.lastIndexOf("/") + 1), known = turnedAwayBy.get(peer);
    if (known !== undefined) { // it is the same peer at all of its addresses
      causes.push([known, address]);
      continue;
    }
    if (i > 0) note(`no way in at ${addresses[i - 1]}, trying ${address}`);
    const patience = i < addresses.length - 1 ? [AbortSignal.timeout(IMPATIENT_MS)] : [];
    try {
      return await transport.connect(address, { signal: AbortSignal.any([signal, ...patience]) });
    } catch (error) {
      if (signal.aborted) throw error;
      const kind = failureOf(error);
      const cause = kind === "aborted"
        ? `no answer within ${IMPATIENT_MS / 1000} s. It may be switched off, or behind a firewall.`
        : whyNotConnected(error);
      if (kind === "refused") turnedAwayBy.set(peer, cause);
      causes.push([cause, address]);
    }
  }
  throw new TransportError(
    turnedAwayBy.size > 0 ? "refused" : "unreachable",
    notMet(name, causes, turnedAwayBy.size > 0),
  );
}

function notMet(name: string, causes: readonly (readonly [string, string])[], isTurnedAway: boolean): string {
  const found = [...Map.groupBy(causes, ([cause]) => cause)].flatMap((
    [cause, met],
  ) => [`  ${cause}`, ...met.map(([, address]) => `    ${address}`)]);
  const [headline, remedy] = isTurnedAway
    ? ["a peer answered and did not let this one in.", "When it is let in, join again with the same ticket."]
    : [
      "no address led to a peer of it.",
      "Is a peer of this run on, and can this machine reach it? Ask for a fresh ticket, or add --peer <address>. " +
      "'starling doctor <ticket>' looks closer.",
    ];
  return [`Cannot join "${name}": ${headline}`, ...found, remedy].join("\n");
}

async function openOrFetchRun(
  path: string,
  { ticket, transport, signal, peer }: Entering & { readonly peer: PeerId },
): Promise<RunFolder> {
  if (!await hasRun(path)) {
    const genesis = await fetchGenesis(transport, peer, { run: ticket.run, signal });
    const config = parseRunConfig(new TextDecoder().decode(genesis), "the run of this ticket");
    await createRunFolder(path, { config, networkKey: ticket.networkKey });
  }
  return await openRunFolder(path);
}
