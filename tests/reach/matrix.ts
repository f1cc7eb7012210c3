/**
 * Who reaches whom, and how, as peers' own events tell it; and that as the table of docs/network.md.
 * @module
 */
import type { PeerEvent } from "../../runtime/event.ts";
import { type PeerReach, reachAfter } from "../../runtime/reach.ts";
import type { Seat } from "../starling.ts";
import type { Place } from "./namespaces.ts";

/** A peer process at a place. */
export interface Placed {
  readonly place: Place;
  readonly seat: Seat;
  readonly peer: string;
}

/** How a peer reaches another now: by what it said last. */
export function reachOf(from: Placed, to: Placed): PeerReach["verdict"] | "not met" {
  return from.seat.events.reduce<readonly PeerReach[]>(reachAfter, [])
    .find(({ peer }) => peer === to.peer)?.verdict ?? "not met";
}

/** What a peer said last of whether others can dial it. */
export function ownVerdict({ seat }: Placed): Extract<PeerEvent, { kind: "reachability" }>["verdict"] {
  return seat.events.findLast((event) => event.kind === "reachability")?.verdict ?? "unknown";
}

/** Every pair's verdict; a pair that sees itself differently from both ends gets both words. */
export function matrixOf(all: readonly Placed[]): string {
  const cell = (a: Placed, b: Placed) => {
    if (a === b) return "";
    const [there, back] = [reachOf(a, b), reachOf(b, a)];
    return there === back ? there : `${there} / ${back}`;
  };
  const rows = [
    ["place", "others can dial it", ...all.map(({ place }) => place)],
    ...all.map((from) => [from.place, ownVerdict(from), ...all.map((to) => cell(from, to))]),
  ];
  return markdown(rows);
}

/** A table as `deno fmt` writes it. */
function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((text, i) => text.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join("\n");
}
