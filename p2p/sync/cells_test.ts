import { strict as assert } from "node:assert";
import { tinyRules } from "../../tests/tiny_rules.ts";
import {
  areOpposite,
  areRelated,
  batchOf,
  digitsIn,
  digitsOf,
  edgeOf,
  fits,
  hullOf,
  isIn,
  partOf,
  partsOf as cellParts,
  viewOf,
  withoutDead,
  yielded,
} from "./cells.ts";
import { BLOCK_WINDOWS, freshOf, ownedIn } from "./classes.ts";
import { genesisState, settleLeases } from "./chain.ts";
import { account, dealLeases, enterTrained, learnedBy, learnTrained, trainedIn, uniteLedgers } from "./ledger.ts";
import { leastOwn } from "./merge.ts";
import { intersect, type Ranges, union, windowCount } from "./ranges.ts";
import type { ChainState, Member, PeerId } from "./types.ts";

const rules = tinyRules({ cellSize: 4 });
const CELLS = Array.from({ length: 32 }, (_, i) => i.toString(2).padStart(5, "0"));

function member(peer: string, speed: number): Member {
  return { peer: peer as PeerId, since: 1, lastCounted: 1, speed, nextMs: 10_000, name: peer };
}

/** Twenty members of unequal speeds with leases, some of them trained and some returned. */
function crowd(): { readonly chain: ChainState; readonly trained: Ranges } {
  const roster = Array.from({ length: 20 }, (_, i) => member(`peer${String(i).padStart(2, "0")}`, 500 + 173 * i));
  const genesis = genesisState(rules);
  const leased = settleLeases(genesis.ledger, roster, { ...genesis, rules });
  const trained = union(
    ...leased.leases.slice(5).map(({ ranges: [range] }) => [{ ...range!, end: range!.start + 40 }]),
  );
  const staying = roster.filter((_, i) => i !== 1 && i !== 2).map(({ peer }) => ({ peer, windows: 0 }));
  const ledger = dealLeases(enterTrained(leased, [trained]), staying);
  return { chain: { ...genesis, round: 1, roster, ledger }, trained };
}

/** The parts that the members of a state see, each once. */
function partsOf(chain: ChainState): readonly ChainState[] {
  return [...new Set(chain.roster.map(({ peer }) => viewOf(chain, digitsOf(rules, peer), rules)))];
}

Deno.test("every member of a state with too many sees a part with few enough, and is in that one alone", () => {
  const { chain } = crowd(), parts = partsOf(chain);
  assert.ok(parts.length > 4);
  assert.equal(parts.flatMap(({ roster }) => roster).length, chain.roster.length);
  for (const { cell, roster, batch, met } of parts) {
    assert.ok(roster.length <= rules.cellSize || roster.every(({ peer }) => isIn(cell, peer, rules)));
    assert.deepEqual([batch, met.length], [chain.batch, cell.length]);
  }
  for (const part of parts) assert.equal(viewOf(part, digitsOf(rules, part.roster[0]!.peer), rules), part);
});

Deno.test("a state is not split at a digit that all its members share: nobody would own the other side's data", () => {
  const { chain } = crowd(), roster = chain.roster.filter(({ peer }) => isIn("0", peer, rules));
  assert.ok(roster.length > rules.cellSize);
  const cells = new Set(roster.map(({ peer }) => viewOf({ ...chain, roster }, digitsOf(rules, peer), rules).cell));
  assert.ok(cells.size > 1);
  for (const cell of cells) assert.equal(cell[0], "*");
  // Whoever is no member, and beyond that digit, has its place in one of them all the same.
  for (const peer of chain.roster.map(({ peer }) => peer).filter((peer) => isIn("1", peer, rules))) {
    assert.equal([...cells].filter((cell) => isIn(cell, peer, rules)).length, 1);
  }
});

Deno.test("a cell that took over what was beyond a digit is split at that digit first, once it has members beyond it", () => {
  const { chain } = crowd(), roster = chain.roster.filter(({ peer }) => isIn("*0", peer, rules));
  const taken = { ...partOf(chain, "10", rules), cell: "*0", roster, round: 9, met: [2, 3] };
  assert.ok(roster.length > rules.cellSize);
  const [member] = roster.map(({ peer }) => peer).filter((peer) => isIn("0", peer, rules));
  const { cell, met } = viewOf(taken, digitsOf(rules, member!), rules);
  assert.ok(cell.startsWith("00"));
  assert.deepEqual(met.slice(0, 2), [9, 3]);
});

Deno.test("parts of a state, and parts of those, never lease the same window however far they go", () => {
  const { chain, trained } = crowd();
  const grow = (state: ChainState): ChainState => {
    const roster = state.roster.map((member) => ({ ...member, speed: 3 * member.speed }));
    return { ...state, roster, ledger: settleLeases(state.ledger, roster, { ...state, rules }) };
  };
  const cells = partsOf(chain).map(grow).flatMap((part) =>
    ["0", "1"].map((digit) => grow(partOf(part, part.cell + digit, rules)))
  );
  const held = cells.map(({ ledger }) => union(...ledger.leases.map(({ ranges }) => ranges)));
  assert.equal(windowCount(union(...held)), held.reduce((sum, ranges) => sum + windowCount(ranges), 0));
  for (const { ledger, cell } of cells) {
    assert.deepEqual(account(ledger, [trained], []), []);
    for (const { ranges } of ledger.leases) assert.deepEqual(ownedIn(ranges, cell), ranges);
  }
});

Deno.test("a peer is in one cell of each depth, and cells are about equally large", () => {
  const peers = Array.from({ length: 1_000 }, (_, i) => `peer${i}` as PeerId);
  const sizes = CELLS.map((cell) => peers.filter((peer) => isIn(cell, peer, rules)).length);
  assert.equal(sizes.reduce((sum, size) => sum + size), 1_000);
  // 31 on average with a deviation of 5.5: five of them either way.
  assert.ok(sizes.every((size) => size > 31 - 28 && size < 31 + 28), sizes.join(", "));
});

Deno.test("each window is of one class of each depth, block by block", () => {
  const all = [{ start: 10, end: 10 + 40 * BLOCK_WINDOWS }], owned = CELLS.map((cell) => ownedIn(all, cell));
  assert.deepEqual(union(...owned), all);
  assert.equal(owned.reduce((sum, ranges) => sum + windowCount(ranges), 0), windowCount(all));
  assert.deepEqual(ownedIn(all, ""), all);
  // Block 2 is binary 10: the last digit first, it is of cell 01.
  assert.deepEqual(ownedIn([{ start: 0, end: 256 }], "01"), [{ start: 128, end: 192 }]);
  assert.deepEqual(freshOf("01", { from: 150, count: 50 }), [{ start: 150, end: 192 }, { start: 384, end: 392 }]);
});

Deno.test("a cell counts windows of its class as trained, and of others that they are trained twice", () => {
  const ledger = enterTrained(genesisState(rules).ledger, [[{ start: 60, end: 70 }]], "1"); // blocks 0 and 1
  assert.deepEqual(trainedIn(ledger), [{ start: 64, end: 70 }]);
  assert.equal(ledger.duplicated, 4);
});

Deno.test("what is believed to be trained by others is known, and what lies between stays untrained", () => {
  const own = enterTrained(genesisState(rules).ledger, [[{ start: 64, end: 70 }]], "1");
  const ledger = learnTrained(own, [{ start: 0, end: 64 }, { start: 130, end: 140 }]);
  assert.deepEqual(trainedIn(ledger), [{ start: 0, end: 70 }, { start: 130, end: 140 }]);
  assert.equal(ledger.duplicated, 0);
  assert.equal(ledger.cursor, 140);
  assert.deepEqual(intersect(ledger.returned, trainedIn(ledger)), []);
});

Deno.test("a cell lies beyond the first digit in which it differs, however deep either is split", () => {
  assert.equal(edgeOf("0110", "0010"), 1);
  assert.equal(edgeOf("0110", "1"), 0);
  assert.equal(edgeOf("01", "0011"), 1);
  assert.equal(edgeOf("0110", "0011"), 1);
  assert.deepEqual([areOpposite("0110", "0010"), areOpposite("0110", "0011")], [true, false]);
  assert.equal(edgeOf("*0", "11"), 1, "either digit does not differ");
  assert.equal(edgeOf("0110", "01"), null, "it is a part of it");
  assert.equal(edgeOf("*0", "0"), null, "they have a part in common");
  assert.equal(edgeOf("", "1"), null);
});

Deno.test("a cell has as many parts as its name leaves digits open, and what holds two cells is the least that can", () => {
  assert.deepEqual(cellParts("*0*1"), ["0001", "0011", "1001", "1011"]);
  assert.deepEqual(cellParts(""), [""]);
  assert.equal(hullOf("0", "*0"), "");
  assert.equal(hullOf("010", "0*011"), "0*0");
  assert.equal(hullOf("01", "011"), "01");
  assert.equal(digitsIn(["*0", "10", "*01"]), "101");
});

Deno.test("a cell's global batch is its share of the run's, whatever digits its name has", () => {
  assert.deepEqual(["", "0", "*10", "0110"].map((cell) => batchOf(cell, 100)), [100, 50, 25, 6]);
  assert.equal(batchOf("0110", 3), 1);
});

Deno.test("a cell that has met nobody beyond an edge for long goes on without that digit: the last such one first", () => {
  const part = partOf(crowd().chain, "010", rules), { round } = part, long = 4 * 4 * 3;
  const after = (met: readonly number[]) => withoutDead({ ...part, round: round + long, met }, rules);
  const [dead, alive] = [round, round + long - 1];
  assert.deepEqual([after([dead, alive, alive]).cell, after([dead, alive, alive]).batch], ["*10", part.batch]);
  assert.equal(after([alive, dead, alive]).cell, "0*0");
  assert.equal(after([dead, dead, alive]).cell, "0*0");
  assert.equal(after([dead, alive, dead]).cell, "01");
  assert.equal(after([alive, alive, alive]).cell, "010");
});

Deno.test("of two cells with a part in common one yields, of what nobody of it is in, and they have none in common then", () => {
  const { roster } = crowd().chain,
    of = (cell: string) => ({ cell, roster: roster.filter(({ peer }) => isIn(cell, peer, rules)) });
  const only = (cell: string, within: string) => ({ cell, roster: of(within).roster });
  assert.equal(yielded(only("*0", "10"), "0", rules), "10");
  assert.equal(yielded(only("0", "01"), "*0", rules), null, "it has not dropped the earlier digit");
  assert.equal(yielded(only("*0", "*0"), "0", rules), null, "those in both merge them");
  assert.equal(yielded(only("1*0", "100"), "11", rules), "100");
  assert.equal(yielded(only("**0", "0*0"), "11", rules), "0*0");
  for (const other of ["10", "*0", "", "11"]) assert.equal(yielded(of("10"), other, rules), null, other);
  // Of any two, whoever they are, one at most yields.
  const names = ["0", "1", "*0", "*1", "**0", "0*1", "1*0", "*01", "00", "1**1"];
  for (const a of names) {
    for (const b of names) {
      const [one, other] = [yielded({ cell: a, roster: [] }, b, rules), yielded({ cell: b, roster: [] }, a, rules)];
      const isPartly = areRelated(a, b) && !fits(a, b.padEnd(9, "*")) && !fits(b, a.padEnd(9, "*"));
      assert.equal([one, other].filter((name) => name !== null).length, isPartly ? 1 : 0, `${a} and ${b}`);
      if (one !== null) assert.equal(areRelated(one, b), false);
    }
  }
});

Deno.test("parts of any shape own each window once together, and the next of theirs is found from wherever one looks", () => {
  const all = [{ start: 10, end: 10 + 40 * BLOCK_WINDOWS }], cells = ["*00", "*10", "**1"];
  const owned = cells.map((cell) => ownedIn(all, cell));
  assert.deepEqual(union(...owned), all);
  assert.equal(owned.reduce((sum, ranges) => sum + windowCount(ranges), 0), windowCount(all));
  for (const cell of [...cells, "0*1", "1**0", "01*"]) {
    for (let block = 0; block < 40; block++) {
      let next = block;
      while (!fits(cell, [...next.toString(2).padStart(8, "0")].reverse().join(""))) next++;
      const [first] = freshOf(cell, { from: block * BLOCK_WINDOWS, count: 1 });
      assert.equal(first!.start, next * BLOCK_WINDOWS, `of '${cell}' from block ${block}`);
    }
  }
});

Deno.test("a cell that has not met its sibling for long takes over its part, and no sooner", () => {
  const part = partOf(crowd().chain, "01", rules), alone = { ...part, round: part.round + 4 * 4 * 2 };
  assert.equal(withoutDead({ ...alone, round: alone.round - 1 }, rules).cell, "01");
  const wider = withoutDead(alone, rules);
  assert.deepEqual([wider.cell, wider.met, wider.batch], ["0", [1], part.batch]);
  const again = settleLeases(wider.ledger, wider.roster, { ...wider, rules });
  const leased = union(...again.leases.map(({ ranges }) => ranges));
  assert.ok(windowCount(ownedIn(leased, "00")) > 0, "of the part that was its sibling's");
  assert.equal(withoutDead({ ...alone, cell: "", met: [] }, rules).cell, "");
});

Deno.test("when two histories of related cells become one, what one learned in meetings is known, and counted once", () => {
  const empty = genesisState(rules).ledger;
  const a = enterTrained(empty, [[{ start: 0, end: 10 }]], ""), offered = [{ start: 64, end: 70 }];
  const b = learnTrained(enterTrained(empty, [offered], "1"), [{ start: 0, end: 20 }]);
  const learned = learnedBy(b, { a, offered });
  assert.equal(learned, 10, "windows 10 to 20: the first ten are in both");
  const united = uniteLedgers(a, b, { windows: windowCount(offered) + learned });
  assert.deepEqual(trainedIn(united), [{ start: 0, end: 20 }, { start: 64, end: 70 }]);
  assert.equal(united.duplicated, 0);
});

Deno.test("a merge needs S records of the lighter side, or two if its members could not all follow the other", () => {
  assert.equal(leastOwn(["", ""], rules), rules.lateRounds);
  assert.equal(leastOwn(["01", "0"], rules), 2);
  assert.equal(leastOwn(["0", "*0"], rules), 2);
  assert.equal(leastOwn(["0", "01"], rules), rules.lateRounds, "its members can follow the wider one");
});
