/**
 * One peer from its folders to its end: what `start` and `join` do once they have a run.
 * @module
 */
import { join } from "node:path";
import { metered, type MeteredTransport } from "../p2p/net/metered.ts";
import type { Transport } from "../p2p/net/transport.ts";
import { reasonOf } from "../p2p/reason.ts";
import { layered } from "../p2p/store/layered.ts";
import { StorageError } from "../p2p/store/storage_error.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { runIdOf } from "../p2p/genesis.ts";
import { parseTicket } from "../p2p/ticket.ts";
import { decodeJournalEntry } from "../p2p/wire.ts";
import { blobsOf, genesisBytes } from "../runtime/config.ts";
import type { PeerEvent } from "../runtime/event.ts";
import { RunMetrics } from "../runtime/metrics.ts";
import { type Peer, startPeer } from "../runtime/peer.ts";
import { openAverage, readMembers, type RunFolder, type StateFolder } from "../runtime/run_folder.ts";
import { emptyStatus, statusAfter } from "../runtime/status.ts";
import { recomputedParts } from "../runtime/train/recomputed.ts";
import { AverageKeeper } from "./average_keeper.ts";
import { birdName } from "./bird_name.ts";
import { EXIT } from "./exit.ts";
import { bytes, counted, shortPeer } from "./format.ts";
import { aborted, BY_USER, type Interrupt } from "./interrupt.ts";
import { expectMemoryFor } from "./machine_memory.ts";
import { note } from "./print.ts";
import { roundNews } from "./round_news.ts";
import { openScreen, type Screen } from "./screen.ts";
import type { PeerFlags } from "./peer_flags.ts";
import { fetchRunData } from "./run_data.ts";
import { loadTuned, saveTuned } from "./tuned_file.ts";
import { VERSION } from "./version.ts";

export interface PeerRun {
  readonly run: RunFolder;
  readonly state: StateFolder;
  readonly transport: Transport;
  readonly interrupt: Interrupt;
  readonly flags: PeerFlags;
  /** Peers to dial. */
  readonly addresses: readonly string[];
}

/** Told many times a round: shown, but not kept in events.jsonl. */
const PASSING: ReadonlySet<PeerEvent["kind"]> = new Set(["progress", "fetching", "relayed"]);
/** The owner's folder is looked at this often for a change of members. */
const MEMBERS_MS = 1_000;
/** The status on disk is written at most this often, and at least this often, so that its age tells a peer that stands still. */
const STATUS_MS = 1_000, LONGEST_SILENCE_MS = 10_000;
const LONGEST_LEAVING_MS = 12_000;
/** After the run's target is reached: the others need the last contributions to get there too. */
const SERVING_MS = 20_000;
const NOBODY_JOINS =
  "There is no way to this peer yet, so no ticket. Start it with --listen 0.0.0.0, or meet a peer first.";
const LEAVING = "Stopping: finishing the offer in hand (at most 10 s). Ctrl+C again stops at once.";

/** Trains until the interrupt, the run's target or `--minutes`; returns the exit code. */
export async function runPeer({ run, state, interrupt, flags, addresses, ...given }: PeerRun): Promise<number> {
  const transport = metered(given.transport);
  const endsAtMs = flags.minutes === undefined ? undefined : Date.now() + flags.minutes * 60_000;
  using screen = openScreen(flags.manner, () => endsAtMs === undefined ? {} : { endsAtMs });
  expectMemoryFor(run.config);
  const blobs = layered(state.blobs, run.data);
  await fetchRunData(run.config, {
    transport,
    addresses,
    blobs,
    own: state.blobs,
    onProgress: (what, bytes, totalBytes) => screen.take({ kind: "fetching", what, bytes, totalBytes }),
    signal: interrupt.signal,
  });
  if (interrupt.signal.aborted) return EXIT.done;

  const mostBlobBytes = flags.diskGb * 1e9;
  const name = flags.name ?? birdName(state.identity.peer);
  await using record = await recordEvents(run, { state, screen, transport });
  const invitations = inviting(screen);
  const keeper = new AverageKeeper(state, (message) => record.take({ kind: "warning", message }));
  let started: Peer | null = null;
  const take = (event: PeerEvent) => {
    record.take(event);
    if (event.kind === "plan") screen.say(planLine(event));
    if (event.kind === "reachability") invitations.renew(event.ticket);
    if (event.kind === "round" && started !== null) keeper.afterRound(started, Date.now());
    if (event.kind !== "finished") return;
    screen.say(`Others may fetch the final state from this peer for ${SERVING_MS / 1000} s more.`);
    setTimeout(() => interrupt.stop("finished"), SERVING_MS);
  };
  const checkpoint = await state.loadOptimizer(), average = openAverage(state.path);
  const speeds = await state.loadSpeeds();
  const tuned = await loadTuned((message) => record.take({ kind: "warning", message }));
  await using peer = await startPeer({
    config: run.config,
    name,
    identity: state.identity,
    transport,
    blobs,
    journal: state.journal,
    runBlobs: await blobPlaces(run, state),
    mostBlobBytes,
    networkKey: run.networkKey,
    addresses,
    device: flags.device,
    precision: flags.precision,
    throttle: flags.throttle,
    relay: flags.relay,
    onEvent: take,
    onSpeeds: (speeds) => void state.saveSpeeds(speeds).catch(() => {}), // they can be measured again
    onTuned: (products) => void saveTuned(products).catch(() => {}), // as these
    ...(speeds === null ? {} : { speeds }),
    ...(tuned === null ? {} : { tuned }),
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    ...(checkpoint === null ? {} : { checkpoint }),
    ...(average === null ? {} : { average }),
  });
  started = peer;
  record.take({
    kind: "started",
    run: await runIdOf(genesisBytes(run.config)),
    name: run.config.name,
    peer: state.identity.peer,
    peerName: name,
    folder: state.path,
    addresses: transport.addresses(),
    dials: addresses,
    ticket: peer.ticket,
    mostBlobBytes,
  });
  screen.say(welcome(run, { name, peer, flags }));
  invitations.begin(peer.ticket);

  const timer = endsAtMs === undefined
    ? undefined
    : setTimeout(() => interrupt.stop("time"), Math.max(0, endsAtMs - Date.now())); // starting may have taken longer
  if (flags.attached) stopWithInput(interrupt);
  using _members = run.config.owner === state.identity.peer ? tellMembers(peer, state.path) : undefined;
  await Promise.race([aborted(interrupt.signal), peer.ended]);
  clearTimeout(timer);
  if (interrupt.signal.reason === BY_USER) screen.say(LEAVING);
  return await leave(peer, { state, keeper, take: record.take });
}

/** Addresses to listen on: TCP on the asked or remembered port, and WebSocket on any. */
export function listenAddresses({ listen, port }: PeerFlags, state: StateFolder): string[] {
  const host = listen.includes(":") ? `/ip6/${listen}` : `/ip4/${listen}`;
  return [`${host}/tcp/${port ?? state.port() ?? 0}`, `${host}/tcp/0/ws`];
}

/** Keeps the TCP port, so that a ticket outlives a restart. What is announced need not be the port listened on. */
export async function rememberPort(
  transport: Transport,
  state: StateFolder,
  { port: asked, announce }: PeerFlags,
): Promise<void> {
  const listening = announce.length > 0 ? [] : transport.addresses();
  const found = listening.map((address) => /\/tcp\/(\d+)\/p2p\//.exec(address)?.[1]).find((text) => text);
  const port = found === undefined ? asked : Number(found);
  if (port !== undefined && port !== state.port()) await state.keepPort(port);
}

async function leave(peer: Peer, { state, keeper, take }: {
  readonly state: StateFolder;
  readonly keeper: AverageKeeper;
  take(event: PeerEvent): void;
}): Promise<number> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), LONGEST_LEAVING_MS);
  await peer.checkpoint((pieces) => state.saveOptimizer(pieces)).catch((error: unknown) => {
    if (!(error instanceof StorageError)) return; // a device that failed has none
    take({ kind: "warning", message: `the optimizer's state is not kept: ${error.message}` });
  });
  await keeper.keep(peer, Date.now());
  const end = await peer.leave({ signal: controller.signal });
  clearTimeout(timer);
  if (end.kind === "failed") throw end.error;
  take({ kind: "stopped", reason: end.kind === "stopped" ? `Stopped: ${end.reason}.` : "Stopped." });
  return EXIT.done;
}

/** Shows, appends, measures and sums up events as they come. */
async function recordEvents({ config }: RunFolder, { state, screen, transport }: {
  readonly state: StateFolder;
  readonly screen: Screen;
  readonly transport: MeteredTransport;
}): Promise<AsyncDisposable & { take(event: PeerEvent): void }> {
  let status = emptyStatus, writtenAtMs = 0, writing = Promise.resolve(), isComplaining = false, hasStarted = false;
  // None of these files is needed to go on, so a disk that refuses them costs a warning and not the peer.
  const complain = (error: unknown) => {
    if (!isComplaining) note(`warning: ${reasonOf(error)}`);
    isComplaining = true;
  };
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      complain(error);
      return null;
    }
  };
  const metrics = await RunMetrics.open({
    config,
    versions: { starling: VERSION, deno: Deno.version.deno, os: `${Deno.build.os} ${Deno.build.arch}` },
    before: attempt(() => state.metrics.last()),
  });
  const measure = (event: PeerEvent) => {
    const surroundings = { nowMs: Date.now(), residentBytes: Deno.memoryUsage().rss, ...transport.traffic() };
    const line = metrics.take(event, surroundings);
    if (line !== null) attempt(() => state.metrics.append(line));
  };
  const write = () => {
    if (!hasStarted) return; // what is known of this life is less than the last one wrote: whom to dial, above all
    writtenAtMs = Date.now();
    writing = writing.then(() => state.writeStatus(status)).then(() => void (isComplaining = false), complain);
  };
  const sign = setInterval(() => {
    if (Date.now() - writtenAtMs >= LONGEST_SILENCE_MS) write();
  }, LONGEST_SILENCE_MS);
  return {
    take(event: PeerEvent): void {
      const before = status;
      status = statusAfter(before, event);
      hasStarted ||= event.kind === "started";
      if (!PASSING.has(event.kind)) attempt(() => state.appendEvent({ time: Date.now(), ...event }));
      measure(event);
      if (event.kind === "round" || event.kind === "started" || Date.now() - writtenAtMs > STATUS_MS) write();
      screen.take(event);
      for (const news of roundNews(before, status, event)) screen.say(news);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(sign);
      write();
      await writing;
    },
  };
}

/** Tells the run what `starling members` leaves in the owner's folder, now and later. */
function tellMembers(peer: Peer, statePath: string): Disposable {
  let told = 0;
  const look = async () => {
    const bytes = await readMembers(statePath).catch(() => null); // the next look may be luckier
    const entry = bytes === null ? null : decodeJournalEntry(bytes);
    if (entry?.ok !== true || entry.value.kind !== "change" || entry.value.change.body.number <= told) return;
    told = entry.value.change.body.number;
    peer.change(entry.value.change);
  };
  look();
  const timer = setInterval(look, MEMBERS_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function blobPlaces({ path, config, data }: RunFolder, state: StateFolder) {
  const places = await Promise.all(
    blobsOf(config).map(async ({ blob }) => {
      const folder = await data.has(blob as Digest) ? join(path, "data") : join(state.path, "blobs");
      return [blob, { kind: "file", path: join(folder, blob) }] as const;
    }),
  );
  return Object.fromEntries(places);
}

function planLine(plan: Extract<PeerEvent, { kind: "plan" }>): string {
  const { parameters, plannedBytes, peakBytes, hostBytes, hostBytesPerContribution, microBatch, recompute } = plan;
  const search = peakBytes > plannedBytes ? ` (${bytes(peakBytes)} for a moment, to find the fastest micro-batch)` : "";
  const saved = recompute === 0 ? "" : `; to save memory, ${recomputedParts(recompute)} are computed again`;
  return `Model: ${counted(parameters)} parameters. Device memory: ${
    bytes(plannedBytes)
  }${search}; micro-batch ${microBatch}${saved}. Host memory: at most ${bytes(hostBytes)} besides, and ` +
    `${bytes(hostBytesPerContribution)} for each contribution to a fold.`;
}

function welcome({ config, path }: RunFolder, { name, peer, flags }: {
  readonly name: string;
  readonly peer: Peer;
  readonly flags: PeerFlags;
}): string {
  const throttled = flags.throttle < 100 ? `, computing ${flags.throttle} % of the time` : "";
  return `Run "${config.name}": this peer is ${name} (${shortPeer(peer.id)})${throttled}. Files: ${path}`;
}

/** Shows the ticket, and again when there is a way to this peer that no ticket shown before has. */
function inviting(screen: Screen) {
  let shown: ReadonlySet<string> | null = null;
  const show = (ticket: string | null, words: string): void => {
    const parsed = parseTicket(ticket ?? ""), ways = parsed.ok ? parsed.ticket.addresses : [];
    if (shown !== null && ways.every((way) => shown?.has(way))) return;
    shown = new Set([...shown ?? [], ...ways]);
    screen.say(ticket === null ? `${NOBODY_JOINS}\n` : `${words}\n  deno task starling join ${ticket}\n`);
  };
  return {
    begin: (ticket: string | null) => show(ticket, "Others join with:"),
    renew(ticket: string | null): void {
      if (shown !== null) show(ticket, "There is another way to this peer now. Others join with:");
    },
  };
}

/** A parent that goes away closes our standard input. */
async function stopWithInput(interrupt: Interrupt): Promise<void> {
  try {
    for await (const _ of Deno.stdin.readable) { /* only its end matters */ }
  } catch (error) {
    note(`standard input: ${reasonOf(error)}`);
  }
  interrupt.stop("the parent process ended");
}
