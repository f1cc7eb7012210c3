/**
 * Whether others can begin a connection to this peer: it asks those it is connected to to dial it back.
 *
 * Whoever is asked dials only the address that it sees the asker at, on ports that the asker names, so nobody can be made
 * to knock at a third party's door. What each of them found is the evidence; the verdict is a pure function of it. An
 * address at which others got through is one that can be told to others, also behind a router that passes a port on.
 * @module
 */
import { decode, encode } from "@ipld/dag-cbor";
import { z } from "zod";
import { isPlainText } from "../plain_text.ts";
import { reasonOf } from "../reason.ts";
import type { PeerId } from "../sync/types.ts";
import { Deadline } from "./deadline.ts";
import type { Reachability, Transport } from "./transport.ts";

const PROTOCOL = "dial-back/1";
const MOST_PORTS = 4;
/** Peers whose findings are kept; the oldest make room. */
const MOST_EVIDENCE = 8;
const DIAL_MS = 5_000;
/** One asker is served once in this time. */
const SERVE_EVERY_MS = 5_000;
const MOST_ASKERS = 128;
/** Those who got no answer are asked again: a port may have been opened meanwhile. */
const ASK_AGAIN_MS = 5 * 60_000;

const portSchema = z.strictObject({ port: z.number().int().min(1).max(65_535), ws: z.boolean() });
const requestSchema = z.array(portSchema).min(1).max(MOST_PORTS);
const words = z.string().max(500).refine(isPlainText);
const answerSchema = z.array(z.strictObject({ address: words, failure: words.nullable() })).max(MOST_PORTS);

type Port = z.infer<typeof portSchema>;

/** Whether others can dial this peer, without what is done about it. */
export type Verdict = Omit<Reachability, "relays">;

/** What one peer found when it dialled this one. */
export interface Evidence {
  /** Where it tried, and why it failed; null: it got through. */
  readonly tried: readonly { readonly address: string; readonly failure: string | null }[];
}

export interface DialBackOptions {
  readonly transport: Pick<Transport, "peer" | "addresses" | "onRequest" | "request">;
  /** Where a directly connected peer is seen, as "/ip4/1.2.3.4"; null if it is not. */
  readonly hostOf: (peer: PeerId) => string | null;
  /** Opens a connection of its own to an address, and closes it. @throws {Error} if it cannot. */
  readonly probe: (address: string, signal: AbortSignal) => Promise<void>;
  /** The verdict, or an address at which others got through, has changed. */
  readonly onChange: (verdict: Verdict, confirmed: readonly string[]) => void;
}

/** Serves others and asks them; ends when disposed. */
export class DialBack implements Disposable {
  readonly #options: DialBackOptions;
  readonly #evidence = new Map<PeerId, Evidence>();
  readonly #servedAtMs = new Map<PeerId, number>();
  readonly #closing = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #told = "";

  constructor(options: DialBackOptions) {
    this.#options = options;
    options.transport.onRequest(PROTOCOL, (from, bytes) => this.#serve(from, bytes));
    this.#timer = setInterval(() => {
      for (const [peer, { tried }] of this.#evidence) if (!tried.some(gotThrough)) void this.ask(peer);
    }, ASK_AGAIN_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#closing.abort();
  }

  /** A peer began a direct connection to this one, which is evidence enough. */
  heardFrom(peer: PeerId): void {
    this.#learn(peer, { tried: [{ address: "", failure: null }] });
  }

  /** Lets a directly connected peer try; its answer changes the verdict. */
  async ask(peer: PeerId): Promise<void> {
    const { transport } = this.#options;
    const ports = portsOf(transport.addresses());
    if (ports.length === 0) return this.#learn(peer, { tried: [] });
    try {
      const bytes = await transport.request(peer, PROTOCOL, encode(ports), { signal: this.#closing.signal });
      this.#learn(peer, { tried: answerSchema.parse(decode(bytes)) });
    } catch {
      // It went, or does not serve this: no evidence either way.
    }
  }

  #learn(peer: PeerId, evidence: Evidence): void {
    if (this.#closing.signal.aborted) return;
    this.#evidence.delete(peer);
    this.#evidence.set(peer, evidence);
    for (const oldest of this.#evidence.keys()) {
      if (this.#evidence.size <= MOST_EVIDENCE) break;
      this.#evidence.delete(oldest);
    }
    const { transport, onChange } = this.#options;
    const confirmed = [...this.#evidence.values()].flatMap(({ tried }) => tried.filter(gotThrough))
      .map(({ address }) => address).filter((address) => address.endsWith(`/p2p/${transport.peer}`));
    const verdict = verdictOf([...this.#evidence.values()], transport.addresses());
    const told = JSON.stringify([verdict, [...new Set(confirmed)]]);
    if (told === this.#told) return;
    this.#told = told;
    onChange(verdict, [...new Set(confirmed)]);
  }

  async #serve(from: PeerId, bytes: Uint8Array): Promise<Uint8Array | null> {
    const host = this.#options.hostOf(from), now = performance.now();
    const ports = requestSchema.parse(decode(bytes));
    if (host === null || now - (this.#servedAtMs.get(from) ?? -Infinity) < SERVE_EVERY_MS) return null;
    if (this.#servedAtMs.size >= MOST_ASKERS) this.#servedAtMs.clear();
    this.#servedAtMs.set(from, now);
    return encode(await Promise.all(ports.map((port) => this.#try(addressOf(host, port, from)))));
  }

  async #try(address: string): Promise<Evidence["tried"][number]> {
    using deadline = new Deadline(DIAL_MS, { others: [this.#closing.signal] });
    try {
      await this.#options.probe(address, deadline.signal);
      return { address, failure: null };
    } catch (error) {
      const failure = deadline.expired ? "no answer" : reasonOf(error);
      return { address, failure: failure.slice(0, 300) };
    }
  }
}

/** The verdict on this peer from what others found. */
export function verdictOf(evidence: readonly Evidence[], listening: readonly string[]): Verdict {
  const ports = portsOf(listening);
  if (ports.length === 0) {
    return {
      verdict: "not reachable",
      reason: "this peer listens on no address.",
      remedy: "Start it with --listen 0.0.0.0.",
    };
  }
  const found = evidence.filter(({ tried }) => tried.some(gotThrough)).length;
  if (evidence.length === 0) {
    return { verdict: "unknown", reason: "nobody has tried to dial this peer yet.", remedy: null };
  }
  if (found === evidence.length) {
    return { verdict: "reachable", reason: `${peers(found)} got through to this one.`, remedy: null };
  }
  const failed = evidence.flatMap(({ tried }) => tried).find((one) => !gotThrough(one));
  const where = failed === undefined ? "" : ` (${withoutPeer(failed.address)}: ${failed.failure})`;
  const onlyLoopback = listening.every((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address));
  const remedy = onlyLoopback
    ? "It listens on 127.0.0.1 alone: start it with --listen 0.0.0.0."
    : `Let TCP port ${ports[0]!.port} in: open it in this machine's firewall and pass it on to this machine in the ` +
      "router. UDP is not needed. Without that it takes part through peers that can be dialled.";
  return found === 0
    ? { verdict: "not reachable", reason: `${peers(evidence.length)} tried and none got through${where}.`, remedy }
    : {
      verdict: "partly",
      reason: `${found} of ${peers(evidence.length)} got through to this one, the others did not${where}.`,
      remedy,
    };
}

function gotThrough({ failure }: Evidence["tried"][number]): boolean {
  return failure === null;
}

/** The ports of own addresses, TCP before WebSocket. */
function portsOf(addresses: readonly string[]): Port[] {
  const ports = new Map<string, Port>();
  for (const address of addresses) {
    const match = /\/tcp\/(\d+)(\/ws)?\/p2p\//.exec(address);
    if (match !== null) {
      ports.set(`${match[1]}${match[2] ?? ""}`, { port: Number(match[1]), ws: match[2] !== undefined });
    }
  }
  return [...ports.values()].sort((a, b) => Number(a.ws) - Number(b.ws)).slice(0, MOST_PORTS);
}

function addressOf(host: string, { port, ws }: Port, peer: PeerId): string {
  return `${host}/tcp/${port}${ws ? "/ws" : ""}/p2p/${peer}`;
}

function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/\w+$/, "");
}

function peers(count: number): string {
  return count === 1 ? "1 peer" : `${count} peers`;
}
