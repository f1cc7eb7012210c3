/**
 * `starling cbs --join <ticket>`, and `tune --join`: trains trials of somebody else's sweep, whatever it asks.
 *
 * Nothing stays here but the text of the run, if it is not embedded: results go to the owner.
 * @module
 */
import { fetchGenesis } from "../p2p/genesis.ts";
import { identityFromSeed } from "../p2p/identity.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import { parseTicket } from "../p2p/ticket.ts";
import { blobsOf, parseRunConfig } from "../runtime/config.ts";
import { helpWithTrials } from "../runtime/experiment/sharing.ts";
import { openRunData } from "../runtime/run_folder.ts";
import { realClock } from "../runtime/worker/clock.ts";
import { EXIT } from "./exit.ts";
import { type ExperimentFlags, openWorkplace } from "./experiment.ts";
import { bytes } from "./format.ts";
import { meet, TicketError } from "./join.ts";
import { json } from "./print.ts";
import { fetchRunData } from "./run_data.ts";
import { listenAt } from "./share_sweep.ts";
import { SweepView } from "./sweep_view.ts";

/** Helps until nothing is left to do, Ctrl+C, or `--minutes`; returns the exit code. */
export async function helpSweep(flags: Omit<ExperimentFlags, "run"> & { readonly ticket: string }): Promise<number> {
  const parsed = parseTicket(flags.ticket);
  if (!parsed.ok) throw new TicketError(parsed.reason);
  const { ticket } = parsed, { addresses } = ticket, starting = new AbortController().signal;
  await using transport = await startLibp2p({
    identity: identityFromSeed(crypto.getRandomValues(new Uint8Array(32))),
    run: ticket.run,
    listen: listenAt(flags),
    networkKey: ticket.networkKey,
    mdns: false,
  });
  const owner = await meet({ transport, addresses, ticket, signal: starting });
  const genesis = await fetchGenesis(transport, owner, { run: ticket.run });
  const config = parseRunConfig(new TextDecoder().decode(genesis), "the run of this ticket");
  const path = flags.folder ?? `starling-help-${ticket.name}`;
  const data = blobsOf(config).length === 0 ? new MemoryBlobStore() : await openRunData(path);
  using view = new SweepView(null, flags.manner);
  await fetchRunData(config, {
    ...{ transport, addresses, blobs: data, own: data, signal: starting },
    onProgress: (what, held, total) => view.say(`Fetching ${what}: ${bytes(held)} of ${bytes(total)}`),
  });
  await using place = await openWorkplace({ path, config, data }, { flags, view });
  let count = 0;
  await helpWithTrials({
    ...{ transport, owner, addresses, bench: place.bench, clock: realClock, signal: place.interrupt.signal },
    onTrial: (trial, { number, of }) => view.take({ kind: "trial", trial, number, of }),
    onProgress: (progress) => view.take({ kind: "progress", ...progress }),
    onResult(trial, result, isTaken) {
      if (isTaken) count++;
      view.take({ kind: "result", trial, result });
      if (!isTaken) view.say("Somebody else was faster with it.");
    },
  });
  if (flags.manner === "json") json({ kind: "done", trials: count });
  else view.say(`Done: ${count} ${count === 1 ? "trial" : "trials"} brought to "${config.name}".`);
  return EXIT.done;
}
