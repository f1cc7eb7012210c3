/**
 * What `starling inspect <folder> ledger` prints: who trained what, and the proof. Pure; the audit is made elsewhere
 * (`p2p/sync/audit.ts`).
 * @module
 */
import type { Audit, PeerAccount } from "../p2p/sync/audit.ts";
import { ownedIn } from "../p2p/sync/classes.ts";
import { windowCount } from "../p2p/sync/ranges.ts";
import { counted, grouped, shortPeer, table } from "./format.ts";

/** Lines of uncounted work and of disagreements; a broken journal may have thousands. */
const MOST_LINES = 20;

/** The ledger as one JSON value: `problems` is empty exactly if it is proved. */
export function ledgerJson({ head, given, ...audit }: Audit): unknown {
  return {
    ...head.ledger,
    round: head.round,
    head: head.head,
    ...audit,
    since: given.length === 0 ? null : Math.max(...given.map(({ round }) => round)),
  };
}

/** The ledger for people, within 100 columns. */
export function ledgerLines(audit: Audit): string[] {
  const { head: { round, ledger, cell }, peers, uncounted } = audit;
  const leased = ledger.leases.reduce((sum, { ranges }) => sum + windowCount(ranges), 0);
  const returned = windowCount(ledger.returned), own = windowCount(ownedIn(ledger.returned, cell));
  const trained = ledger.cursor - leased - returned;
  const lost = uncounted.filter(({ isOpen }) => !isOpen), open = uncounted.filter(({ isOpen }) => isOpen);
  return [
    `Ledger${cell === "" ? "" : ` of cell ${cell}`} after round ${round}: ${
      grouped(ledger.cursor)
    } windows were handed out, and are`,
    `  trained     ${grouped(trained)}`,
    `  leased      ${grouped(leased)}, to be trained`,
    `  returned    ${grouped(own)}, for the next who needs some`,
    ...(cell === ""
      ? []
      : [`  elsewhere   ${grouped(returned - own)}, other cells' to train, as far as is known here`]),
    `  duplicated  ${grouped(ledger.duplicated)} times one was trained again, on both sides of a fork`,
    "",
    ...table(["peer", " trained", " tokens", " twice", " leased", " gave back", " lost", " tokens lost"], [
      ...peers.map(row),
      row(total(peers)),
    ]),
    ...section("Lost, because no record of this history counts it:", lost, peers),
    ...section("Not counted yet:", open, peers),
    "",
    ...proofLines(audit),
  ];
}

function row({ peer, name, windows, tokens, duplicated, leased, returned, lostWindows, lostTokens }: PeerAccount) {
  const who = peer === "" ? name : `${name.slice(0, 16)} ${shortPeer(peer)}`.trim();
  return [
    who,
    ...[windows, tokens, duplicated, leased, returned, lostWindows, lostTokens].map((count, i) =>
      i === 1 || i === 6 ? counted(count) : grouped(count)
    ),
  ];
}

function total(peers: readonly PeerAccount[]): PeerAccount {
  const sum = (of: (peer: PeerAccount) => number) => peers.reduce((sum, peer) => sum + of(peer), 0);
  return {
    peer: "" as PeerAccount["peer"],
    name: "all",
    offers: sum(({ offers }) => offers),
    windows: sum(({ windows }) => windows),
    tokens: sum(({ tokens }) => tokens),
    leased: sum(({ leased }) => leased),
    returned: sum(({ returned }) => returned),
    duplicated: sum(({ duplicated }) => duplicated),
    lostWindows: sum(({ lostWindows }) => lostWindows),
    lostTokens: sum(({ lostTokens }) => lostTokens),
  };
}

function section(title: string, offers: Audit["uncounted"], peers: readonly PeerAccount[]): string[] {
  if (offers.length === 0) return [];
  const nameOf = (peer: string) => peers.find((other) => other.peer === peer)?.name || shortPeer(peer);
  const lines = offers.slice(-MOST_LINES).flatMap(({ round, peer, windows, tokens, reason }) => [
    `  round ${round}, ${nameOf(peer)}: ${grouped(windows)} windows, ${counted(tokens)} tokens`,
    `    ${reason}`,
  ]);
  const more = offers.length - MOST_LINES;
  return ["", title, ...(more > 0 ? [`  … and ${more} older ones (--json has all)`] : []), ...lines];
}

function proofLines({ head, given, records, merges, offers, ranges, confirmed, problems }: Audit): string[] {
  const joins = merges === 0 ? "" : `, ${merges} of them merges,`;
  const what = `Recomputed ${grouped(records)} records${joins} with ${grouped(offers)} offers of ${
    grouped(ranges)
  } ranges;`;
  const signed = `${grouped(confirmed)} of the states are named by a signed record after them.`;
  const from = given.length === 0
    ? "from the run's first record on."
    : `from the state after round ${
      Math.max(...given.map(({ round }) => round))
    } on: older rounds are not in this journal.`;
  if (problems.length > 0) {
    return [
      what,
      signed,
      ...problems.slice(0, MOST_LINES).map((problem) => `WRONG: ${problem}`),
      ...(problems.length > MOST_LINES ? [`… and ${problems.length - MOST_LINES} more (--json has all)`] : []),
    ];
  }
  if (records === 0) {
    return [`not proved yet: this journal begins with the state after round ${head.round}, and nothing follows it.`];
  }
  return [what, signed, `proved: each window is trained, leased or returned as the records say,`, `  ${from}`];
}
