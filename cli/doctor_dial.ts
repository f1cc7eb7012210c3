/**
 * What `starling doctor` finds at an address: first whether anything listens, then what it is.
 *
 * The network's own dial knows only that it failed. Here one TCP connection tells "filtered" from "silent", and a
 * greeting tells a web server, a peer of an open run and a peer with a pre-shared key from each other.
 * @module
 */
import { connect, type Socket } from "node:net";
import { parseRelayed, type Transport } from "../p2p/net/transport.ts";
import { TransportError, whyNotConnected } from "../p2p/net/transport_error.ts";
import type { PeerId } from "../p2p/sync/types.ts";
import { type Finding, note, ok, problem } from "./doctor_machine.ts";

const CONNECT_MS = 5_000, DIAL_MS = 12_000, GREETING_MS = 2_000;
/** What every libp2p peer without a pre-shared key says first, with its length before it. */
const GREETING = "\x13/multistream/1.0.0\n";
/** A peer with a pre-shared key answers so many bytes with as many random ones of its own. */
const NONCE_BYTES = 24;

export interface DialOptions {
  readonly transport: Transport;
  /** Whether the run has a pre-shared key. */
  readonly hasKey: boolean;
  /** The peer in the folder that is looked at, if there is one. */
  readonly own: PeerId | null;
}

/** Dials one address of a ticket and says what is there. */
export async function checkAddress(address: string, { transport, hasKey, own }: DialOptions): Promise<Finding> {
  const check = `dial ${address}`;
  const place = placeOf(address);
  if (parseRelayed(address) === null && place !== null) {
    const failure = await tcpFailure(place);
    if (failure !== null) return problem(check, ...failure);
  }
  const failure = await transport.connect(address, { signal: AbortSignal.timeout(DIAL_MS) })
    .then(() => null, (error: unknown) => error);
  if (failure === null) return ok(check, "connected: a peer of this run");
  if (failure instanceof TransportError && failure.kind === "refused") return turnedAway(check, own);
  return await whatIsThere(check, place, { hasKey, because: whyNotConnected(failure) });
}

/** Only the peer itself could learn whether it is on a list: its key, used twice at a time, would stop it elsewhere. */
function turnedAway(check: string, own: PeerId | null): Finding {
  const who = own === null
    ? "'starling join' makes this machine's peer and says its id, which the owner then lets in with"
    : `If ${own}, this machine's peer, is on it, all is well. Else the owner lets it in with`;
  return note(
    check,
    "a peer of this run, which lets no guest in: the run has a list of members, or this peer too many connections",
    `${who} 'starling members <folder> --allow ${own ?? "<peer id>"}'.`,
  );
}

async function whatIsThere(check: string, place: Place | null, { hasKey, because }: {
  readonly hasKey: boolean;
  readonly because: string;
}): Promise<Finding> {
  // What the network found is right unless all it has is silence or a closed door.
  if (place === null || !/no proper answer|aborted/.test(because)) return problem(check, ...inParts(because));
  return problem(check, ...await whatAnswers(place, hasKey));
}

type Place = { readonly host: string; readonly port: number };
/** What was found, and what to do. */
type Failure = readonly [found: string, remedy: string];

function placeOf(address: string): Place | null {
  const match = /^\/(?:ip[46]|dns[46]?)\/([^/]+)\/tcp\/(\d+)/.exec(address);
  return match === null ? null : { host: match[1]!, port: Number(match[2]) };
}

/** Null if a TCP connection can be made. */
async function tcpFailure(place: Place): Promise<Failure | null> {
  const { socket, code } = await open(place);
  socket.destroy();
  switch (code) {
    case null:
      return null;
    case "ECONNREFUSED":
      return [
        "refused: the machine is there, and nothing listens on this port",
        "Is that peer running, and the port right?",
      ];
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return [
        "the name is not known",
        "Is it spelt right? Does this machine have name service? Try its number instead.",
      ];
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return [
        "no way leads there from here",
        "Is this machine on that network? A private address is reached only from its own.",
      ];
    default:
      return [
        code === "silent"
          ? "no answer: switched off, or a firewall or router on the way drops it"
          : `failed with ${code}`,
        "Its owner lets the TCP port in (firewall, router), or a peer that both can dial passes things on.",
      ];
  }
}

/** Something takes the connection, and is no peer of this run. */
async function whatAnswers(place: Place, hasKey: boolean): Promise<Failure> {
  const answer = await greet(place);
  const otherRun = "Ask for a fresh ticket: this one is of another run, or this peer is not on its list.";
  if (answer === null) return ["it hung up without a word", otherRun];
  if (answer.startsWith(GREETING)) {
    return hasKey
      ? ["a peer of an open run, and the ticket is of a private one", otherRun]
      : ["a peer that hung up", otherRun];
  }
  const isText = /^[\t\n\r -~]{8,}/.test(answer);
  if (isText) {
    return [`connected, but this is no peer (it says ${JSON.stringify(answer.slice(0, 40))})`, "Is the port right?"];
  }
  if (answer.length >= NONCE_BYTES) {
    return [
      hasKey
        ? "a peer of a private run with another key, or one that does not admit this one"
        : "a peer of a private run, and the ticket has no key",
      otherRun,
    ];
  }
  return ["connected, but it says nothing", "Is the port right? Is that peer busy or stopped (Ctrl+Z)?"];
}

/** What a place says to a libp2p greeting and a nonce's worth of bytes; null if it hung up at once. */
async function greet(place: Place): Promise<string | null> {
  const { socket, code } = await open(place);
  if (code !== null) return null;
  const heard = Promise.withResolvers<string | null>();
  let text = "";
  const timer = setTimeout(() => heard.resolve(text), GREETING_MS);
  socket.on("data", (bytes: Uint8Array) => {
    text += String.fromCharCode(...bytes);
    if (text.length >= GREETING.length) heard.resolve(text);
  });
  socket.on("close", () => heard.resolve(text === "" ? null : text));
  socket.write(GREETING);
  socket.write(new Uint8Array(NONCE_BYTES));
  try {
    return await heard.promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** A TCP connection, or the system's code for why there is none; "silent" if nothing came back. */
async function open({ host, port }: Place): Promise<{ readonly socket: Socket; readonly code: string | null }> {
  const settled = Promise.withResolvers<string | null>();
  const timer = setTimeout(() => settled.resolve("silent"), CONNECT_MS);
  const socket = connect({ host, port });
  socket.on("connect", () => settled.resolve(null));
  socket.on("error", (error: Error & { readonly code?: string }) => settled.resolve(error.code ?? error.message));
  const code = await settled.promise;
  clearTimeout(timer);
  return { socket, code };
}

/** "because. Remedy?" as its two parts. */
function inParts(because: string): Failure {
  const [found, ...remedy] = because.split(/(?<=\.) (?=[A-Z])/);
  return [found!.replace(/\.$/, ""), remedy.join(" ") || "Ask for a fresh ticket."];
}
