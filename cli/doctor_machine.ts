/**
 * What `starling doctor` finds out about this machine alone: program, device, disk, addresses, ports, multicast.
 * @module
 */
import { createSocket } from "node:dgram";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../p2p/reason.ts";
import { listDevices } from "../runtime/device/open.ts";
import { bytes } from "./format.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly check: string;
  /** "note": training goes, with less comfort. "problem": this machine could not take part. */
  readonly result: "ok" | "note" | "problem";
  readonly found: string;
  /** What to do about it; null if it is ok. */
  readonly remedy: string | null;
}

const LEAST_DENO = "2.9.0";
/** Below this a run's data and a few states of a small model do not fit. */
const LEAST_FREE_BYTES = 1e9;
const MULTICAST_ADDRESS = "224.0.0.251", MULTICAST_PORT = 5353, MULTICAST_MS = 1_500;

export function ok(check: string, found: string): Finding {
  return { check, result: "ok", found, remedy: null };
}

export function note(check: string, found: string, remedy: string): Finding {
  return { check, result: "note", found, remedy };
}

export function problem(check: string, found: string, remedy: string): Finding {
  return { check, result: "problem", found, remedy };
}

export function checkDeno(version = Deno.version.deno): Finding {
  const isOld = version.localeCompare(LEAST_DENO, undefined, { numeric: true }) < 0;
  return isOld
    ? problem("deno", `version ${version}`, `Starling needs ${LEAST_DENO} or newer: deno upgrade.`)
    : ok("deno", `version ${version}`);
}

export async function checkDevice(list: typeof listDevices = listDevices): Promise<Finding> {
  try {
    const { choice, f16Problems } = await list(), problem = f16Problems.get(choice.kind) ?? null;
    const f16 = problem === null ? "it can train in f16" : `it trains in f32 alone: ${problem}`;
    return ok("device", `${choice.kind}: ${choice.reason}; ${f16}`);
  } catch (error) {
    return problem("device", reasonOf(error), "Install a GPU driver.");
  }
}

/** Whether a folder, or the nearest one above it that exists, can be written, and what is free there. */
export async function checkDisk(folder: string): Promise<Finding> {
  const place = await nearestFolder(folder);
  const file = join(place, `.starling-doctor-${crypto.randomUUID()}`);
  try {
    await Deno.writeTextFile(file, "x", { createNew: true });
    await Deno.remove(file);
  } catch (error) {
    const why = reasonOf(error);
    return problem("disk", `${place} cannot be written (${why})`, "Choose another folder, or change its permissions.");
  }
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize, found = `${place} can be written, ${bytes(free)} free`;
  return free < LEAST_FREE_BYTES
    ? note("disk", found, `Make room: a run's data and states may need more than ${bytes(LEAST_FREE_BYTES)}.`)
    : ok("disk", found);
}

async function nearestFolder(folder: string): Promise<string> {
  for (let place = folder;; place = join(place, "..")) {
    const isFolder = await Deno.stat(place).then((found) => found.isDirectory, () => false);
    if (isFolder) return await Deno.realPath(place);
    if (place.length > 4000) return "/";
  }
}

/** The addresses that others could know this machine by. */
export function checkAddresses(interfaces = Deno.networkInterfaces()): Finding {
  const outward = interfaces.map(({ address }) => address)
    .filter((address) => !/^(127\.|::1$|fe80:)/i.test(address));
  return outward.length === 0
    ? problem("addresses", "this machine has no address but its own loopback", "Connect it to a network.")
    : ok("addresses", outward.join(", "));
}

/** Whether what is sent to the group of mDNS comes back: from this machine at least. */
export async function checkMulticast(): Promise<Finding> {
  const remedy = "Peers of the local network will not be found by themselves: give addresses with --peer or a ticket.";
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const heard = Promise.withResolvers<string | null>();
  const timer = setTimeout(() => heard.resolve("nothing came back"), MULTICAST_MS);
  try {
    socket.on("error", (error: Error) => heard.resolve(error.message));
    socket.on("message", () => heard.resolve(null));
    socket.bind(MULTICAST_PORT, () => {
      try {
        socket.addMembership(MULTICAST_ADDRESS);
        socket.setMulticastLoopback(true);
        socket.send(serviceQuery(), MULTICAST_PORT, MULTICAST_ADDRESS, (error: Error | null) => {
          if (error !== null) heard.resolve(error.message);
        });
      } catch (error) {
        heard.resolve(reasonOf(error));
      }
    });
    const failure = await heard.promise;
    return failure === null
      ? ok("multicast", "what is sent to the local network's mDNS group arrives")
      : note("multicast", `the local network's mDNS group cannot be used (${failure})`, remedy);
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

/** A question in the form of mDNS: which services are there? */
function serviceQuery(): Uint8Array {
  const name = ["_services", "_dns-sd", "_udp", "local"].flatMap((
    label,
  ) => [label.length, ...new TextEncoder().encode(label)]);
  return new Uint8Array([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 0, 12, 0, 1]);
}
