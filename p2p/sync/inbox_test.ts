import { strict as assert } from "node:assert";
import { type Chapter, historyOf, historyRules } from "../../tests/tiny_history.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";
import { adopt } from "./adoption.ts";
import { digitsOf } from "./cells.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import { bodyDigest, digestOf } from "./digest.ts";
import { onMessage } from "./inbox.ts";
import { Parts } from "./parts.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { Beat, Digest, PeerId } from "./types.ts";

const rules = tinyRules({ cellSize: 3 });
const weights = { digest: digestOf("weights"), sizeBytes: 8 };

/** A peer whose digits begin so. */
function peerIn(cell: string): PeerId {
  const peers = Array.from({ length: 1000 }, (_, i) => `peer${i}` as PeerId);
  return peers.find((peer) => digitsOf(rules, peer).startsWith(cell))!;
}

/** What a peer of cell `10*0` is made of. */
function standingOn10x0(): Parts {
  const name = "robin", self = peerIn("1010"), sign = () => new Uint8Array();
  const parts = new Parts({ self, rules, name, device: "cpu", sign, verify: () => true }, RULEBOOK);
  const genesis = genesisRecord(rules), record = { ...genesis, body: { ...genesis.body, round: 9, cell: "10*0" } };
  const chain = { ...genesisState(rules), round: 9, cell: "10*0", met: [1, 1, 1], head: bodyDigest(record.body) };
  adopt(parts, parts.book.addState(record, { chain, weights }));
  return parts;
}

/** Who is sent a beat when this peer has said that it stands on a state of cell `100`. */
function answered(peer: PeerId): readonly PeerId[] {
  const parts = standingOn10x0(), head = digestOf("their head"), base = digestOf("their state");
  parts.exchange.connect(peer);
  parts.takeEffects();
  const beat: Beat = { kind: "beat", run: rules.run, peer, head, base, round: 9, weight: 0, change: 0, cell: "100" };
  onMessage(parts, beat, peer);
  return parts.takeEffects().flatMap((effect) =>
    effect.kind === "send" && effect.message.kind === "beat" ? [effect.to] : []
  );
}

Deno.test("who stands on a cell of a shorter name, and is in ours as well, is told where we stand: it hears nothing else", () => {
  const both = peerIn("1000");
  assert.deepEqual(answered(both), [both]);
  assert.deepEqual(answered(peerIn("1001")), []);
});

/** What robin is made of when it stands on the first of two histories, and knows the other's records. */
function between(ours: readonly Chapter[], theirs: readonly Chapter[]): Parts {
  const name = "robin", self = name as PeerId, sign = () => new Uint8Array();
  const parts = new Parts({ self, rules: historyRules, name, device: "cpu", sign, verify: () => true }, RULEBOOK);
  const { book } = parts, [genesis] = ours as [Chapter];
  book.addPast(genesis.record, genesis.chain);
  for (const { record, offers } of [...ours.slice(1), ...theirs.slice(1)]) {
    for (const offer of offers) {
      book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
    }
    book.addRecord(bodyDigest(record.body), record, { nowMs: 0, journaled: true });
    parts.resolve();
  }
  const { chain, weights } = ours.at(-1)!;
  adopt(parts, book.hold(book.links.get(chain.head)!, weights)!);
  return parts;
}

Deno.test("a head is no rival any more when who spoke for it has gone to a cell that is not ours", () => {
  const [finch, robin, wren] = ["finch", "robin", "wren"].map((name) => name as PeerId) as [PeerId, PeerId, PeerId];
  const theirs = historyOf([finch, wren], 8), parts = between(historyOf([robin], 8), theirs);
  const { context, book, exchange, loading } = parts, { run } = historyRules, base = digestOf("their state");
  const says = (head: Digest, cell: string): Digest | null => {
    onMessage(parts, { kind: "beat", run, peer: finch, head, base, round: 8, weight: 0, change: 0, cell }, finch);
    parts.merging.decide(context, { book, head: parts.head!, exchange, loading, hopeUntilMs: null });
    return parts.merging.rival;
  };
  exchange.connect(finch);
  const { head } = theirs.at(-1)!.chain;
  assert.equal(says(head, ""), head);
  assert.equal(says(digestOf("another head"), digitsOf(historyRules, finch).slice(0, 16)), null);
});
