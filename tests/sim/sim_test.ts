import { strict as assert } from "node:assert";
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import { simulate } from "./simulate.ts";

const SEED_COUNT = 200;
const ROUNDS = 8;
const rerun = (seed: number, peers: number) =>
  `deno run -A tests/sim/main.ts --seed ${seed} --peers ${peers} --rounds ${ROUNDS}`;

for (const peers of [5, 6, 7, 8, 9]) {
  Deno.test(`${SEED_COUNT / 5} runs of ${peers} peers keep every law under loss, delay, crashes and churn`, () => {
    for (let seed = peers; seed <= SEED_COUNT; seed += 5) {
      const { broken } = simulate({ seed, peers, rounds: ROUNDS });
      assert.deepEqual(broken, [], `seed ${seed}; again with: ${rerun(seed, peers)}`);
    }
  });
}

Deno.test("the storms of the test runs really do lose offers, fork histories and crash peers", () => {
  const tally = { crashes: 0, reorganised: 0, late: 0 };
  for (let seed = 1; seed <= 10; seed++) {
    const { observer } = simulate({ seed, peers: 7, rounds: ROUNDS });
    tally.crashes += observer.tally.crashes;
    tally.reorganised += observer.tally.reorganised;
    tally.late += observer.tally.late;
  }
  for (const [what, count] of Object.entries(tally)) assert.ok(count > 0, `nothing was ever ${what}`);
});

Deno.test("the same seed gives the same run", () => {
  const digests = [1, 2].map(() => simulate({ seed: 11, peers: 6, rounds: ROUNDS }).observer.digest());
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], simulate({ seed: 12, peers: 6, rounds: ROUNDS }).observer.digest());
});

/** A planted bug, which peers have it, and the law that must be found broken. */
const planted: readonly { readonly bug: string; readonly law: string; readonly rulebookOf: (i: number) => Rulebook }[] =
  [
    {
      bug: "counting an offer twice",
      law: "law 2",
      rulebookOf: () => ({
        ...RULEBOOK,
        selectCounted: (offers, { parent, ...rest }) =>
          RULEBOOK.selectCounted(offers, { ...rest, parent: { ...parent, recent: [] } }),
        whyInvalid: (record, offers, { parent, ...rest }) =>
          RULEBOOK.whyInvalid(record, offers, { ...rest, parent: { ...parent, recent: [] } }),
      }),
    },
    {
      bug: "folding in another order at one peer",
      law: "law 3",
      rulebookOf: (i) =>
        i !== 1 ? RULEBOOK : { ...RULEBOOK, foldParts: (...given) => RULEBOOK.foldParts(...given).toReversed() },
    },
    {
      bug: "not returning the leases of those who left",
      law: "law 10",
      rulebookOf: () => ({
        ...RULEBOOK,
        advance: (...given) => {
          const next = RULEBOOK.advance(...given);
          return { ...next, ledger: { ...next.ledger, returned: [] } };
        },
      }),
    },
    {
      bug: "preferring the lighter history at one peer",
      law: "law 1",
      rulebookOf: (i) => i !== 1 ? RULEBOOK : { ...RULEBOOK, isHeavier: (a, b) => RULEBOOK.isHeavier(b, a) },
    },
  ];

/** Long enough for somebody to leave, and for his windows to be missed. */
const PLANTED_ROUNDS = 20;

for (const { bug, law, rulebookOf } of planted) {
  Deno.test(`the checkers catch ${bug} as a breach of ${law}`, () => {
    const broken = Array.from({ length: 10 }, (_, i) => i + 1).flatMap((seed) =>
      simulate({ seed, peers: 6, rounds: PLANTED_ROUNDS, rulebookOf }).broken
    );
    assert.ok(
      broken.some((fault) => fault.startsWith(law)),
      `found only: ${broken.slice(0, 5).join("; ") || "nothing"}`,
    );
  });
}
