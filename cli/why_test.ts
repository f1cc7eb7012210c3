import { strict as assert } from "node:assert";
import type { MemberRound, PeerEvent } from "../runtime/event.ts";
import { memberRound, roundEvent } from "../tests/round_event.ts";
import { emptyStatus, type PeerStatus, statusAfter } from "../runtime/status.ts";
import { statusLines } from "./status.ts";
import { whyLines } from "./why.ts";

const [WREN, FINCH, ROBIN] = ["12D3KooWwrenwren", "12D3KooWfinchfin", "12D3KooWrobinrob"];

const DEVICE = "webgpu (NVIDIA RTX 4090, 24 GB, a description as long as drivers like them)";

/** Numbers as large as they may be shown. */
const member = (peer: string, name: string, changes: Partial<MemberRound> = {}): MemberRound =>
  memberRound({
    ...{ peer, name, device: DEVICE, speed: 123_456, tokens: 2_000_000, waitShare: 0.25 },
    ...{ fate: "counted late (3 rounds)", ...changes },
  });
const round = (number: number, members: readonly MemberRound[]): PeerEvent =>
  roundEvent(number, { members, roster: [WREN!, FINCH!, ROBIN!] });

const STARTED: PeerEvent = {
  kind: "started",
  run: "7f3a".repeat(16),
  name: "club",
  peer: WREN!,
  peerName: "wren",
  folder: "club/peer",
  addresses: [`/ip4/192.168.100.200/tcp/40001/p2p/${WREN}`],
  dials: [],
  ticket: "star1",
  mostBlobBytes: 20e9,
};

function after(...events: readonly PeerEvent[]): PeerStatus {
  return events.reduce(statusAfter, emptyStatus);
}

Deno.test("members, alive and counted are three numbers of a status", () => {
  const met: PeerEvent = { kind: "connected", peer: FINCH!, relay: null };
  const status = after(STARTED, met, round(41, [member(WREN!, "wren")]));
  const lines = statusLines(status, { running: true });
  assert.ok(lines.includes("members 3, alive 2, counted 1 in round 41"), lines.join("\n"));
  assert.ok(lines.filter((line) => !line.startsWith("ticket")).every((line) => line.length <= 100), lines.join("\n"));
  assert.equal(whyLines(status, { running: true })[1], "this peer is a member; round 41 counted its work");
});

Deno.test("a status says of every offer that was not counted whose it was, when and why", () => {
  const told = whyLines(
    after(
      STARTED,
      round(40, [member(FINCH!, "finch")]),
      { kind: "offer", round: 38, fate: "counted", reason: "by record 38" },
      { kind: "offer", round: 37, fate: "lost", reason: "no record counted it within 3 rounds: it did not arrive" },
      { kind: "uncounted", peer: FINCH!, round: 36, reason: "its contribution was found with nobody" },
      { kind: "rejected", peer: ROBIN!, what: "offer", reason: "it is not on the list" },
      { kind: "screened", round: 39, peer: FINCH!, cosine: -0.5, threshold: -0.1, dropped: true },
    ),
    { running: false },
  ).join("\n");
  for (
    const wanted of [
      "this peer is a member; round 40 counted no work of it: see its offers below",
      /^ +38 {2}counted {2}by record 38$/m,
      /^ +37 {2}lost {5}no record counted it within 3 rounds: it did not arrive$/m,
      /^ {2}round 40: offer of round 36 of finch …finchfin: its contribution was found with nobody$/m,
      `  round 40: offer of ${ROBIN}: it is not on the list`,
      /^ {2}round 39: finch …finchfin has a cosine of -0.500 .* left out of the weights$/m,
    ]
  ) {
    if (typeof wanted === "string") assert.ok(told.includes(wanted), `${wanted} is not in\n${told}`);
    else assert.match(told, wanted);
  }
});

Deno.test("a status tells what happened to the run in words, each thing once", () => {
  const waiting: PeerEvent = { kind: "waiting", reason: "waiting: for a peer that has the run" };
  const merged = "two histories met: 7 records of wren (90.1 k tokens, ours) and 5 of robin (41.0 k tokens, theirs)";
  const status = after(STARTED, waiting, waiting, { kind: "merged", round: 41, reason: merged });
  assert.deepEqual(status.happenings.map(({ reason }) => reason), [waiting.reason, merged]);
  const lines = whyLines(status, { running: false });
  assert.match(lines[1]!, /^this peer is no member: it becomes one with the first record .* after its next start$/);
  assert.match(whyLines(status, { running: true })[1]!, /counts an offer of its own$/);
  assert.deepEqual(lines.slice(-3), ["what happened lately:", `  round 0: ${waiting.reason}`, `  round 0: ${merged}`]);
});
