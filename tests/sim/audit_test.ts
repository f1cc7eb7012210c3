/**
 * The proof of `starling inspect <folder> ledger`, on journals that simulated peers have written.
 * @module
 */
import { strict as assert } from "node:assert";
import { ledgerLines } from "../../cli/ledger.ts";
import { type Audit, audit } from "../../p2p/sync/audit.ts";
import type { JournalEntry } from "../../p2p/sync/effects.ts";
import { windowCount } from "../../p2p/sync/ranges.ts";
import { crash, scene } from "./scene.ts";

const APART = { fromMs: 30_000, untilMs: 100_000, groups: [[0, 1], [2, 3]] };
/** A merge, a fork, a crash, and one that leaves for good. */
const { peers, observer, weather: { rules } } = scene(
  [{}, { crashes: [crash(115_000)] }, {}, { leavesAtMs: 125_000 }],
  { partitions: [APART, { fromMs: 130_000, untilMs: 150_000, groups: [[0], [1, 2]] }], stormMs: 170_000 },
);
const journals = peers.map(({ disk }) => disk.journal);

function prove(entries: readonly JournalEntry[]): Audit {
  const found = audit(entries, rules);
  assert.ok(found !== null, "it has a state");
  return found;
}

type StateEntry = Extract<JournalEntry, { kind: "state" }>;

/** The founder's journal with another chain state after the record of its head. */
function withHead(change: (chain: StateEntry["chain"]) => Partial<StateEntry["chain"]>): readonly JournalEntry[] {
  const { head } = prove(journals[0]!);
  return journals[0]!.map((entry) =>
    entry.kind === "state" && entry.chain.head === head.head
      ? { ...entry, chain: { ...entry.chain, ...change(entry.chain) } }
      : entry
  );
}

Deno.test("every journal of a run with a merge proves the ledger of its head, from its first state on", () => {
  for (const [i, journal] of journals.slice(0, 3).entries()) {
    const found = prove(journal);
    assert.deepEqual(found.problems, []);
    assert.equal(found.given[0], undefined, `peer ${i} has all records since genesis`);
    assert.ok(found.records > 10 && found.merges > 0);
    // Of the side that was merged in, this peer had the last weights alone.
    assert.ok(2 * found.confirmed > found.records, `${found.confirmed} of ${found.records} states are confirmed`);
  }
});

Deno.test("the sums of the peers are those of the ledger, and what an owner was told is lost is lost", () => {
  const found = prove(journals[0]!), { ledger, tokens } = found.head;
  const sum = (of: (peer: Audit["peers"][number]) => number) => found.peers.reduce((sum, peer) => sum + of(peer), 0);
  const open = windowCount(ledger.returned) + sum(({ leased }) => leased);
  assert.equal(sum(({ tokens }) => tokens), tokens);
  assert.equal(sum(({ duplicated }) => duplicated), ledger.duplicated);
  assert.equal(sum(({ windows, duplicated }) => windows - duplicated), ledger.cursor - open);
  assert.ok(sum(({ returned }) => returned) > 0, "somebody left");
  for (const { digest, isOpen, reason } of journals.flatMap((journal) => prove(journal).uncounted)) {
    const fate = observer.fates.get(digest)?.fate;
    assert.equal(isOpen || fate === "lost", true, `${fate}: ${reason}`);
  }
});

Deno.test("a tampered ledger is named window by window", () => {
  const { head } = prove(journals[0]!), [lease] = head.ledger.leases, [range] = lease!.ranges;
  const other = head.roster.find(({ peer }) => peer !== lease!.peer)!.peer;
  const { problems } = prove(withHead(({ ledger }) => ({
    ledger: { ...ledger, leases: ledger.leases.map((each) => each === lease ? { ...each, peer: other } : each) },
  })));
  assert.ok(
    problems.includes(
      `after record ${head.round} windows ${range!.start}–${range!.end} are leased to ${other} by the state, ` +
        `leased to ${lease!.peer} by the records`,
    ),
    problems.join("\n"),
  );
  const hidden = prove(withHead(({ ledger }) => ({ ledger: { ...ledger, duplicated: ledger.duplicated + 5 } })));
  assert.match(hidden.problems.join("\n"), /windows are duplicated by the state, \d+ by the records/);
  assert.match(ledgerLines(hidden).join("\n"), /^WRONG: /m);
});

Deno.test("an offer that was changed or taken away is missed, and so is the peer that it belongs to", () => {
  const offer = journals[0]!.find((entry) => entry.kind === "offer" && entry.offer.body.tokens > 0);
  assert.ok(offer?.kind === "offer");
  const { body } = offer.offer, changed = { ...offer.offer, body: { ...body, tokens: 2 * body.tokens } };
  for (const instead of [[{ ...offer, offer: changed }], []]) {
    const { problems } = prove(journals[0]!.flatMap((entry) => entry === offer ? instead : [entry]));
    const missed = `of ${body.peer}, which this journal does not have`;
    assert.ok(problems.some((problem) => problem.endsWith(missed)), problems.join("\n"));
  }
});

Deno.test("a state in the middle that the records do not give is named with its round", () => {
  const round = 5;
  const { problems } = prove(
    journals[0]!.map((entry) =>
      entry.kind === "state" && entry.chain.round === round
        ? { ...entry, chain: { ...entry.chain, tokens: entry.chain.tokens + 1 } }
        : entry
    ),
  );
  assert.ok(problems.includes(`after record ${round} 'tokens' is not what the records give`), problems.join("\n"));
});

Deno.test("a journal without its old rounds proves the ledger from the oldest state on that it can, and says which", () => {
  const whole = prove(journals[0]!), last = whole.head.round;
  const cut = journals[0]!.filter((entry) =>
    entry.kind === "offer" || entry.kind === "refuted"
      ? entry.offer.body.round > last - 6
      : entry.kind !== "change" && entry.record.body.round > last - 6
  );
  const found = prove(cut);
  assert.deepEqual(found.problems, []);
  assert.ok(found.records > 0 && found.given.length > 0);
  assert.deepEqual(found.head, whole.head);
  const since = Math.max(...found.given.map(({ round }) => round));
  assert.match(ledgerLines(found).at(-1)!, new RegExp(`^ {2}from the state after round ${since} on: older rounds`));
  const { ledger } = found.head,
    wrong = prove(
      cut.map((entry) =>
        entry.kind === "state" && entry.chain.head === found.head.head
          ? { ...entry, chain: { ...entry.chain, ledger: { ...ledger, cursor: ledger.cursor + 1 } } }
          : entry
      ),
    );
  assert.match(wrong.problems[0]!, /are trained by the state, nobody's yet by the records/);
});

Deno.test("the ledger for people fits 100 columns", () => {
  const lines = ledgerLines(prove(journals[0]!));
  assert.ok(lines.every((line) => line.length <= 100), lines.join("\n"));
  assert.match(lines.join("\n"), /^proved: each window .* as the records say,\n {2}from the run's first record on.$/m);
});
