/**
 * `starling doctor`: could this machine take part, and if not, why and what to do? Checks in order, each in plain words.
 *
 * It is a guest: it has an identity for the moment, trains nothing and changes nothing, so it may run beside a peer.
 * @module
 */
import { fetchGenesis, runIdOf } from "../p2p/genesis.ts";
import { identityFromSeed } from "../p2p/identity.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import type { Reachability, Transport } from "../p2p/net/transport.ts";
import { reasonOf } from "../p2p/reason.ts";
import type { Digest, PeerId } from "../p2p/sync/types.ts";
import { parseTicket } from "../p2p/ticket.ts";
import { blobsOf, genesisBytes, parseRunConfig, type RunConfig } from "../runtime/config.ts";
import {
  defaultStatePath,
  hasRun,
  isRunning,
  openRunFolder,
  readPeerFiles,
  readStatus,
} from "../runtime/run_folder.ts";
import {
  checkAddresses,
  checkDeno,
  checkDevice,
  checkDisk,
  checkMulticast,
  type Finding,
  note,
  ok,
  problem,
} from "./doctor_machine.ts";
import { checkAddress } from "./doctor_dial.ts";
import { checkLine, identityElsewhere, reachabilityWithin } from "./doctor_network.ts";
import { EXIT } from "./exit.ts";
import { short, shortPeer } from "./format.ts";
import { json, line } from "./print.ts";

export interface DoctorOptions {
  /** A ticket, a run's folder, or nothing: then only this machine is looked at. */
  readonly target?: string;
  /** Where the run of a ticket would be kept. */
  readonly folder?: string;
  readonly state?: string;
  readonly port?: number;
  readonly listen: string;
  readonly peer: readonly string[];
  readonly mdns: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** What there is to look at. */
interface Target {
  readonly name: string;
  readonly run: Digest;
  readonly networkKey: Uint8Array<ArrayBuffer> | null;
  readonly addresses: readonly string[];
  /** Where the run is, or would be kept. */
  readonly folder: string;
}

/** Checks and prints; returns the exit code, not 0 if this machine could not take part. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    if (options.json) return json({ kind: "finding", ...finding });
    if (options.quiet && finding.result === "ok") return;
    line(`${MARKS[finding.result]} ${finding.check}: ${finding.found}`);
    if (finding.remedy !== null) line(`    ${finding.remedy}`);
  };
  await examine(options, tell);
  const problems = findings.filter(({ result }) => result === "problem").length;
  const verdict = problems === 0
    ? "This machine can take part."
    : `This machine could not take part: ${problems} ${problems === 1 ? "problem" : "problems"}, see above.`;
  if (options.json) json({ kind: "verdict", ok: problems === 0, problems, verdict });
  else line(verdict);
  return problems === 0 ? EXIT.done : EXIT.network;
}

/** What is longer names no file. */
const LONGEST_PATH = 200;
const MARKS = { ok: "ok      ", note: "note    ", problem: "PROBLEM " } as const;

async function examine(options: DoctorOptions, tell: (finding: Finding) => void): Promise<void> {
  tell(checkDeno());
  tell(await checkDevice());
  const target = await targetOf(options);
  tell(await checkDisk(target === null || "check" in target ? "." : target.folder));
  tell(checkAddresses());
  if (options.mdns) tell(await checkMulticast());
  if (target === null) return;
  if ("check" in target) return tell(target);
  tell(ok("run", `"${target.name}" ${short(target.run)}, ${target.networkKey === null ? "open" : "private"}`));
  await examineNetwork(target, options, tell);
}

/** Null: only the machine. A finding: what was given is neither a ticket nor a run. */
async function targetOf({ target, folder, peer, state }: DoctorOptions): Promise<Target | Finding | null> {
  if (target === undefined) return null;
  const parsed = parseTicket(target);
  if (parsed.ok) {
    const { name, run, networkKey, addresses } = parsed.ticket;
    return { name, run, networkKey, addresses: [...addresses, ...peer], folder: folder ?? name };
  }
  if (target.length > LONGEST_PATH || !await hasRun(target)) {
    const found = /^star\d/.test(target) ? parsed.reason : `'${target}' is no run's folder. ${parsed.reason}`;
    return problem("ticket", found, "Give a ticket, or the folder of a run (with a run.json).");
  }
  const { config, networkKey, path } = await openRunFolder(target), statePath = state ?? defaultStatePath(path);
  const status = await readStatus(statePath);
  // A peer that runs here is one to meet as well: it may have been told of nobody, as whoever begins a run.
  const here = await isRunning(statePath) ? (status?.addresses ?? []).filter(isOnThisMachine).slice(-1) : [];
  const addresses = [...new Set([...here, ...peer, ...status?.dials ?? []])];
  return { name: config.name, run: await runIdOf(genesisBytes(config)), networkKey, addresses, folder: path };
}

/** By TCP alone, whose silence can be told from a refusal. */
function isOnThisMachine(address: string): boolean {
  const host = address.split("/")[2];
  return !address.includes("/ws/") && Deno.networkInterfaces().some((own) => own.address === host);
}

async function examineNetwork(target: Target, options: DoctorOptions, tell: (finding: Finding) => void): Promise<void> {
  const statePath = options.state ?? defaultStatePath(target.folder);
  const runs = await isRunning(statePath), own = await readPeerFiles(statePath);
  if (own !== null) {
    tell(ok("identity", `${own.peer}${runs ? ", and its peer is running" : ""}`));
  }
  const port = options.port ?? own?.port ?? 0;
  const host = options.listen.includes(":") ? `/ip6/${options.listen}` : `/ip4/${options.listen}`;
  // Beside a running peer its port is taken, rightly.
  const listen = [`${host}/tcp/${runs ? 0 : port}`];
  let transport: Transport;
  try {
    transport = await startLibp2p({
      identity: identityFromSeed(crypto.getRandomValues(new Uint8Array(32))),
      run: target.run,
      listen,
      networkKey: target.networkKey,
      mdns: options.mdns,
      relay: false,
    });
  } catch (error) {
    return tell(problem("listen", reasonOf(error), "See above."));
  }
  await using _ = transport;
  tell(ok("listen", runs ? "the running peer has its port" : transport.addresses().map(withoutPeer).join(", ")));

  let isTurnedAway = false;
  for (const address of target.addresses) {
    const finding = await checkAddress(address, {
      transport,
      own: own?.peer ?? null,
      hasKey: target.networkKey !== null,
    });
    // Where another address has led to a peer of the run, a wrong one costs comfort: the ticket is half right.
    const isMet = isTurnedAway || transport.peers().length > 0;
    isTurnedAway ||= finding.result === "note";
    tell(finding.result === "problem" && isMet ? { ...finding, result: "note" } : finding);
  }
  const met = transport.peers(), peer = met.find((peer) => peer !== own?.peer) ?? met[0];
  if (peer === undefined) {
    if (isTurnedAway) {
      return tell(note("peers", "none lets a guest in", "What comes after that cannot be looked at from here."));
    }
    const none = target.addresses.length === 0 ? "no address to dial is known" : "no address led to a peer of this run";
    return tell(
      target.addresses.length === 0
        ? note(
          "peers",
          none,
          "That is right for whoever begins a run. To look for others: --peer <address> or a ticket.",
        )
        : problem("peers", none, "Ask for a fresh ticket from a peer that is running and can be dialled."),
    );
  }
  tell(ok("peers", `connected to ${transport.peers().map(shortPeer).join(", ")}`));
  await examineRun(target, { transport, peer, own: runs ? null : own?.peer ?? null, runs }, tell);
}

interface Met {
  readonly transport: Transport;
  readonly peer: PeerId;
  /** The identity in the folder, if nobody here uses it now. */
  readonly own: PeerId | null;
  readonly runs: boolean;
}

async function examineRun(
  target: Target,
  { transport, peer, own, runs }: Met,
  tell: (finding: Finding) => void,
): Promise<void> {
  const reachability = reachabilityWithin(transport);
  const config = await genesisOf(target, { transport, peer });
  if ("check" in config) return tell(config);
  tell(
    ok(
      "configuration",
      `${shortPeer(peer)} serves this run's configuration`,
    ),
  );
  tell(await checkLine(transport, peer, blobsOf(config)[0]?.blob as Digest | undefined));
  if (own !== null) tell(await identityElsewhere(transport, own));
  if (runs) return;
  tell(reachabilityFinding(await reachability));
}

async function genesisOf(
  { run }: Target,
  { transport, peer }: { readonly transport: Transport; readonly peer: PeerId },
): Promise<RunConfig | Finding> {
  try {
    const bytes = await fetchGenesis(transport, peer, { run });
    return parseRunConfig(new TextDecoder().decode(bytes), "the run's configuration");
  } catch (error) {
    return problem("configuration", reasonOf(error), "Ask for a fresh ticket.");
  }
}

function reachabilityFinding(found: Reachability | null): Finding {
  const check = "others can dial this machine";
  if (found === null) {
    return note(check, "nobody has answered that yet", "Try again, or look at `starling status` later.");
  }
  if (found.verdict === "reachable") return ok(check, found.reason);
  const through = found.relays.length > 0
    ? ` It takes part through ${found.relays.map(shortPeer).join(", ")}, which pass on what others send.`
    : " No peer that was met passes things on: it takes part with those it can dial itself.";
  return note(check, `${found.verdict}: ${found.reason}${through}`, found.remedy ?? "");
}

function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/\w+$/, "");
}
