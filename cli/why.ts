/**
 * What `starling status --why` adds: what became of offers and why, who waits for whom, what happened to the run. Pure.
 * @module
 */
import { standingOf } from "../runtime/standing.ts";
import type { PeerStatus } from "../runtime/status.ts";
import { shortPeer, table } from "./format.ts";

/** Lines of each kind; `--json` and events.jsonl have more. */
const MOST_LINES = 12;

/** The reasons behind a status; how others are reached only while the peer runs. */
export function whyLines(last: PeerStatus, { running }: { readonly running: boolean }): string[] {
  const { fates, rejections, screened, happenings } = last, nameOf = namer(last);
  return [
    "",
    ownStanding(last, running),
    ...section(
      "own offers, the last ones:",
      table(
        [" round", "fate", "why"],
        fates.slice(-MOST_LINES).map(({ round, fate, reason }) => [
          String(round),
          fate,
          reason,
        ]),
      ).slice(fates.length === 0 ? 1 : 0),
      "this peer has made none yet",
    ),
    ...section(
      "of others, not counted or dropped:",
      rejections.slice(-MOST_LINES).map(({ round, peer, what, reason }) =>
        `  round ${round}: ${what} of ${nameOf(peer)}: ${reason}`
      ),
      "nothing",
    ),
    ...section(
      "work that pulls against everybody else's:",
      screened.slice(-MOST_LINES).map(({ round, peer, cosine, threshold, dropped }) =>
        `  round ${round}: ${nameOf(peer)} has a cosine of ${cosine.toFixed(3)} to the others, chance ends at ` +
        `${threshold.toFixed(3)}; ${dropped ? "left out of the weights" : "folded all the same"}`
      ),
    ),
    ...section(
      "what happened lately:",
      happenings.slice(-MOST_LINES).map(({ round, reason }) => `  round ${round}: ${reason}`),
    ),
    ...(running ? section("how others are reached:", reachLines(last)) : []),
  ];
}

function section(title: string, lines: readonly string[], none?: string): readonly string[] {
  if (lines.length > 0) return [title, ...lines];
  return none === undefined ? [] : [`${title} ${none}`];
}

function ownStanding(last: PeerStatus, running: boolean): string {
  const { isMember, isCounted } = standingOf({ ...last, self: last.peer });
  if (!isMember) {
    const when = running ? "" : ", after its next start";
    return `this peer is no member: it becomes one with the first record that counts an offer of its own${when}`;
  }
  const member = `this peer is a member; round ${last.round}`;
  return isCounted ? `${member} counted its work` : `${member} counted no work of it: see its offers below`;
}

/** A peer's name if it is known, with the end of its id because names may repeat. */
function namer({ members, times, peer, peerName }: PeerStatus): (peer: string) => string {
  const names = new Map([...times, ...members, { peer, name: peerName }].map(({ peer, name }) => [peer, name]));
  return (peer) => names.has(peer) ? `${names.get(peer)} ${shortPeer(peer)}` : peer;
}

function reachLines({ reachability, reach }: PeerStatus): readonly string[] {
  const { verdict, reason, remedy } = reachability;
  const own = verdict === "reachable"
    ? []
    : [`  others and this peer: ${reason}`, ...(remedy === null ? [] : [`    ${remedy}`])];
  const others = reach.filter((other) => other.verdict !== "direct").flatMap((other) => [
    `  ${other.verdict} ${other.peer}${other.reason === null ? "" : `: ${other.reason}`}`,
    ...(other.remedy === null ? [] : [`    ${other.remedy}`]),
  ]);
  return [...own, ...others];
}
