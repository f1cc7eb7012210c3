/**
 * `starling start`: a peer of the run in a folder.
 * @module
 */
import { runIdOf } from "../p2p/genesis.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { genesisBytes } from "../runtime/config.ts";
import { defaultStatePath, openRunFolder, openStateFolder, readStatus } from "../runtime/run_folder.ts";
import { listenForInterrupt } from "./interrupt.ts";
import type { PeerFlags } from "./peer_flags.ts";
import { listenAddresses, rememberPort, runPeer } from "./run_peer.ts";

/** Runs until Ctrl+C, the run's target or `--minutes`; returns the exit code. */
export async function start({ folder, ...flags }: PeerFlags & { readonly folder: string }): Promise<number> {
  const run = await openRunFolder(folder), path = flags.state ?? defaultStatePath(folder);
  await using state = await openStateFolder(path, { now: new Date() });
  using interrupt = listenForInterrupt();
  await using transport = await startLibp2p({
    identity: state.identity,
    run: await runIdOf(genesisBytes(run.config)),
    listen: listenAddresses(flags, state),
    announce: flags.announce,
    networkKey: run.networkKey,
    mdns: flags.mdns,
    relay: flags.relay,
  });
  await rememberPort(transport, state, flags);
  const addresses = flags.peer.length > 0 ? flags.peer : await lastDialled(path);
  return await runPeer({ run, state, transport, interrupt, flags, addresses });
}

/** Whom this peer dialled when it ran before: whoever joined by a ticket need not give it again. */
async function lastDialled(statePath: string): Promise<readonly string[]> {
  const status = await readStatus(statePath).catch(() => null); // damaged: the peer writes it anew
  return status?.dials ?? [];
}
