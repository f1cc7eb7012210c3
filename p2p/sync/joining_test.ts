import { strict as assert } from "node:assert";
import { genesisRecord, genesisState } from "./chain.ts";
import type { Context } from "./context.ts";
import { digestOf, stateDigest } from "./digest.ts";
import type { Effect, SyncEvent } from "./effects.ts";
import { type Choice, Joining } from "./joining.ts";
import type { ChainState, Digest, PeerId, Recent, StateAt } from "./types.ts";
import { Witnesses } from "./witnesses.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run") });
const names = ["egret", "finch", "robin", "wren"].map((name) => name as PeerId);

/** A state of weight `weight`, made of nothing but its name; `before` is the state it follows. */
function state(name: string, weight: number, before?: StateAt): StateAt {
  const head = digestOf(name), weights = { digest: digestOf({ name, weights: true }), sizeBytes: 1 };
  const entry: Recent = {
    record: head,
    round: weight,
    parents: before === undefined ? [] : [before.chain.head],
    bases: before === undefined ? [] : [baseOf(before)],
    counted: [],
    blobs: [],
  };
  const recent = [entry, ...before?.chain.recent ?? []];
  const chain: ChainState = { ...genesisState(rules), round: weight, head, weight, recent };
  return { kind: "state-at", run: rules.run, record: genesisRecord(rules), chain, weights };
}

function baseOf({ chain, weights }: StateAt): Digest {
  return stateDigest(chain, weights.digest);
}

/** Which state a peer loads when each of these has answered, and what it refuses. */
function choose(answers: readonly (readonly [PeerId, StateAt])[], options: Partial<Choice> = {}) {
  const joining = new Joining(), effects: Effect[] = [], events: SyncEvent[] = [];
  const context = (now: number) =>
    ({
      now,
      emit: (effect: Effect) => effects.push(effect),
      report: (event: SyncEvent) => events.push(event),
    }) as unknown as Context; // what joining uses of it
  const words = answers.map(([peer, answer]) => ({ peer, head: answer.chain.head, base: baseOf(answer) }));
  for (const [peer, answer] of answers) joining.addFromPeer(context(0), answer, peer);
  joining.run(context(2_000), {
    isWorth: () => true,
    proofOf: () => "open",
    isKnown: () => false,
    patienceMs: 0,
    isNeedy: true,
    words,
    ...options,
  });
  const loaded = effects.find((effect) => effect.kind === "load");
  return {
    loaded: answers.find(([, { weights }]) => weights.digest === loaded?.weights.digest)?.[1] ?? null,
    from: loaded?.from ?? [],
    refused: events.flatMap((event) => event.kind === "waiting" ? [event.reason] : []),
  };
}

const [egret, finch, robin, wren] = names as [PeerId, PeerId, PeerId, PeerId];
const honest = state("honest", 10), lie = state("lie", 1e12);

Deno.test("a newcomer takes the state that most stand on, whatever weight one liar claims", () => {
  const { loaded, from } = choose([[egret, lie], [finch, honest], [robin, honest]]);
  assert.equal(loaded, honest);
  assert.deepEqual(from, [finch, robin]);
});

Deno.test("a peer that is a record behind supports the history that goes on from where it stands", () => {
  const later = state("later", 11, honest);
  assert.equal(choose([[egret, lie], [finch, honest], [robin, later]]).loaded, later);
});

Deno.test("two answers for one record with other states are two answers", () => {
  const other = { ...honest, weights: { digest: digestOf("other weights"), sizeBytes: 1 } };
  const { loaded, from } = choose([[egret, other], [finch, honest], [robin, honest]]);
  assert.equal(loaded, honest);
  assert.deepEqual(from, [finch, robin], "the liar is no donor of the weights");
});

Deno.test("a newcomer whose answers all differ still begins, with the heaviest of those most supported", () => {
  const answers = [[egret, state("a", 5)], [finch, state("b", 7)], [robin, state("c", 6)]] as const;
  assert.equal(choose(answers).loaded, answers[1][1]);
});

Deno.test("a member refuses a heavier state that more peers contradict than support, and names its weight and who came with it", () => {
  const words = [egret, finch, robin, wren].map((peer) => ({
    peer,
    head: peer === egret ? lie.chain.head : honest.chain.head,
    base: peer === egret ? baseOf(lie) : baseOf(honest),
  }));
  const { loaded, refused } = choose([[egret, lie]], { isNeedy: false, words });
  assert.equal(loaded, null);
  assert.match(
    refused[0]!,
    /state of egret \(round 1000000000000, weight 1000000000000\) is not taken: 1 of 4 connected/,
  );
});

Deno.test("a state that our own records prove needs nobody's word", () => {
  const words = [finch, robin].map((peer) => ({ peer, head: honest.chain.head, base: baseOf(honest) }));
  assert.equal(choose([[egret, lie]], { isNeedy: false, words, proofOf: () => "proven" }).loaded, lie);
});

Deno.test("Witnesses count who confirms a state and who names another, each once, and forget the oldest records", () => {
  const witnesses = new Witnesses(), [head, base, other] = ["head", "base", "other"].map(digestOf) as Digest[];
  for (const peer of [finch, robin, robin]) witnesses.says({ peer, head: head!, base: base!, cell: "" });
  witnesses.says({ peer: egret, head: head!, base: other!, cell: "" });
  witnesses.says({ peer: egret, head: head!, base: base!, cell: "" });
  assert.deepEqual(witnesses.count(head!, base!), { confirm: 2, contradict: 1 });
  assert.deepEqual(witnesses.count(other!, base!), { confirm: 0, contradict: 0 });
  witnesses.says({ peer: "heron" as PeerId, head: head!, base: other!, cell: "01" });
  assert.deepEqual(witnesses.count(head!, base!, { cell: "" }), { confirm: 2, contradict: 1 }, "another part of it");
  for (let i = 0; i < 64; i++) witnesses.says({ peer: wren, head: digestOf(i), base: base!, cell: "" });
  assert.deepEqual(witnesses.count(head!, base!), { confirm: 0, contradict: 0 });
});

Deno.test("Witnesses know where a peer stands by its last word", () => {
  const witnesses = new Witnesses(), base = digestOf("base");
  for (const name of ["one", "two"]) witnesses.stands({ peer: finch, head: digestOf(name), base, cell: "" });
  assert.deepEqual(witnesses.words([finch, robin]), [{ peer: finch, head: digestOf("two"), base, cell: "" }]);
});

Deno.test("a state is taken only as its records give it, or without them when they were waited for in vain", () => {
  assert.equal(choose([[egret, lie]], { proofOf: () => "refuted" }).loaded, null);
  assert.equal(choose([[egret, honest]], { patienceMs: 10_000 }).loaded, null, "its records may still come");
  const proofOf: Choice["proofOf"] = ({ chain }) => chain.head === lie.chain.head ? "open" : "proven";
  assert.equal(choose([[egret, lie], [finch, honest]], { patienceMs: 10_000, proofOf }).loaded, honest);
  assert.equal(choose([[egret, honest]], { patienceMs: 0 }).loaded, honest);
});

Deno.test("a state that follows from records which are here is not taken for those who stand just before it", () => {
  const before = state("before", 9), after = state("after", 10, before);
  const words = [finch, robin, wren].map((peer) => ({ peer, head: before.chain.head, base: baseOf(before) }));
  const stand = { isNeedy: false, words: [{ peer: egret, head: after.chain.head, base: baseOf(after) }, ...words] };
  const isKnown = (record: Digest) => record === before.chain.head;
  for (const proof of ["open", "unmade"] as const) {
    assert.equal(choose([[egret, after]], { ...stand, isKnown, proofOf: () => proof }).loaded, null, proof);
  }
  assert.equal(choose([[egret, after]], { ...stand, proofOf: () => "open" }).loaded, after, "we have not got so far");
});
