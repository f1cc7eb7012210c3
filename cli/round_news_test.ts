import { strict as assert } from "node:assert";
import { emptyStatus, type PeerStatus, statusAfter } from "../runtime/status.ts";
import { memberRound, roundEvent } from "../tests/round_event.ts";
import { roundNews } from "./round_news.ts";

const member = memberRound(), GAINED = member.tokens;

/** All that is said of a run of so many rounds, with the rounds in which two lineages became one. */
function saidOf(rounds: number, targetTokens: number | null): readonly string[] {
  let status: PeerStatus = emptyStatus;
  const said: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    const merged = round === 2 ? { round, kept: 1, gone: 0, shares: [30, 10] } as const : null;
    const event = roundEvent(round, { tokens: round * GAINED, targetTokens, merged });
    const after = statusAfter(status, event);
    said.push(...roundNews(status, after, event));
    status = after;
  }
  const end = { kind: "finished", reason: "done" } as const;
  return [...said, ...roundNews(status, statusAfter(status, end as never), end as never)];
}

Deno.test("what becomes of lineages is said, and the rounds that a run needs: expected once, compared in the end", () => {
  const [merged, expected, end] = saidOf(5, 5 * GAINED);
  assert.equal(merged, "round 2: lineages 1 and 0 became one, 75 % and 25 % of it; one is left");
  assert.match(expected!, /^communication: 3 of about 5 rounds; after round 3 5 were expected/);
  assert.equal(end, "communication: 5 rounds; after round 3 5 were expected");
});

Deno.test("of an open-ended run nothing is expected", () => {
  assert.equal(saidOf(5, null).length, 1);
});
