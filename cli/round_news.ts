/**
 * What is worth a line of its own after a round: two lineages became one, and how many rounds the run needs, once that can
 * be estimated, and in the end needed.
 * @module
 */
import { communicationText } from "../runtime/communication.ts";
import type { PeerEvent } from "../runtime/event.ts";
import type { PeerStatus } from "../runtime/status.ts";

/** @param before What the peer knew before the event. @param after … and after it. */
export function roundNews(before: PeerStatus, after: PeerStatus, event: PeerEvent): readonly string[] {
  if (event.kind === "finished") return [communicationText(after.communication, true) ?? ""].filter(Boolean);
  if (event.kind !== "round") return [];
  const isFirst = before.communication.first === null && after.communication.first !== null;
  const estimate = isFirst ? communicationText(after.communication, false) : null;
  return [...(event.merged === null ? [] : [mergeText(event)]), ...(estimate === null ? [] : [estimate])];
}

function mergeText({ round, merged, lineages }: Extract<PeerEvent, { kind: "round" }>): string {
  const { kept, gone, shares: [own, other] } = merged!, share = Math.round(100 * own / (own + other));
  const left = lineages.length === 1 ? "one is left" : `${lineages.length} are left`;
  return `round ${round}: lineages ${kept} and ${gone} became one, ${share} % and ${100 - share} % of it; ${left}`;
}
