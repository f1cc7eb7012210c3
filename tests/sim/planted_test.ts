/**
 * Bugs planted on purpose, and the law that the checkers must find broken: a checker that finds nothing proves nothing.
 * @module
 */
import { strict as assert } from "node:assert";
import { trainedIn } from "../../p2p/sync/ledger.ts";
import { intersect, subtract, union, windowCount } from "../../p2p/sync/ranges.ts";
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import type { Liar, LiarKind } from "./liars/liar.ts";
import { drawWeather } from "./draw_weather.ts";
import { withBatch, withEach } from "./planted_batch.ts";
import {
  asHistory,
  blaming,
  deaf,
  despairing,
  forgetful,
  isBadNews,
  isSavedState,
  isTakenBack,
  mute,
  repeated,
  toAllCells,
  without,
  withoutReasons,
} from "./planted_effects.ts";
import { crash, play } from "./scene.ts";
import { simulate, type SimulateOptions } from "./simulate.ts";

interface Planted {
  readonly bug: string;
  readonly law: string;
  /** Rules with the bug, and who has it: the first peer is the founder. */
  readonly rules?: Partial<Rulebook>;
  readonly at?: (peer: number) => boolean;
  readonly wrong?: Pick<Liar, "hear" | "say">;
  /** Found in runs with such liars. */
  readonly liar?: LiarKind;
  /** Found in a run that is split. */
  readonly isOfCells?: true;
}

const ALL = () => true, ONE = (peer: number) => peer === 1;
const withoutRecent = <T extends { parent: { recent: readonly unknown[] } }>(context: T): T => (
  { ...context, parent: { ...context.parent, recent: [], head: "" } }
);

const PLANTED: readonly Planted[] = [
  {
    bug: "preferring the lighter history",
    law: "law 1",
    at: ONE,
    rules: { isHeavier: (a, b) => RULEBOOK.isHeavier(b, a) },
  },
  { bug: "never looking at what it asked for", law: "law 1", at: ONE, wrong: { hear: deaf } },
  {
    bug: "counting offers again",
    law: "law 2",
    rules: {
      selectCounted: (offers, context) => RULEBOOK.selectCounted(offers, withoutRecent(context)),
      whyInvalid: () => null,
    },
  },
  {
    bug: "adding the tokens of both sides of a merge, shared ones twice",
    law: "law 2",
    rules: {
      unite: ([heavier, lighter], options) => {
        const united = RULEBOOK.unite([heavier, lighter], options);
        return { ...united, tokens: heavier.chain.tokens + lighter.chain.tokens };
      },
    },
  },
  {
    bug: "folding in another order",
    law: "law 3",
    at: ONE,
    rules: { foldParts: (...given) => RULEBOOK.foldParts(...given).toReversed() },
  },
  {
    bug: "rounding a weight in the fold",
    law: "law 3",
    at: ONE,
    rules: {
      foldParts: (...given) => RULEBOOK.foldParts(...given).map((part) => ({ ...part, weight: part.weight + 1 })),
    },
  },
  {
    bug: "averaging the sides of a merge without their shares",
    law: "law 3",
    at: ONE,
    rules: {
      mergeShares: (...given) =>
        RULEBOOK.mergeShares(...given).map((sides) => sides.map((side) => ({ ...side, share: 1 }))),
    },
  },
  {
    bug: "letting a test more than double the batch",
    law: "law 3",
    rules: withBatch((before, after) => after.request > before.request ? 3 * before.request : after.request),
  },
  {
    bug: "letting the batch grow above the ceiling",
    law: "law 3",
    rules: withBatch((before, after) => Math.max(after.request, Math.min(after.wanted, 2 * before.request))),
  },
  {
    bug: "shrinking the batch to what is wanted",
    law: "law 3",
    rules: withBatch((_, after) => Math.min(after.request, after.wanted)),
  },
  {
    bug: "following another policy than all",
    law: "law 3",
    at: ONE,
    rules: {
      advance: (parent, { rules, ...options }) => {
        const batching = {
          policy: "warmup",
          to: 64,
          tokens: 1,
          shape: "linear",
          most: null,
          ceilingTokens: null,
        } as const;
        return RULEBOOK.advance(parent, { ...options, rules: { ...rules, batching } });
      },
    },
  },
  {
    bug: "going by the mean of what peers measured, liars among them",
    law: "law 8",
    liar: "lies about noise",
    rules: {
      advance: (parent, options) => {
        const after = RULEBOOK.advance(parent, options), said = options.offers.flatMap(({ noise }) => noise ?? []);
        if (said.length === 0) return after;
        const variance = said.reduce((sum, noise) => sum + noise.variance, 0) / said.length;
        return withEach(after, ({ batch }) => ({ ...batch, noise: batch.noise && { ...batch.noise, variance } }));
      },
    },
  },
  {
    bug: "waiting for a majority",
    law: "law 4",
    rules: {
      selectCounted: (offers, context) => {
        const counted = RULEBOOK.selectCounted(offers, context);
        return 2 * counted.length > context.parent.roster.length ? counted : [];
      },
    },
  },
  { bug: "giving up at the first saved state that cannot be read", law: "law 4", wrong: { say: despairing } },
  { bug: "not telling that an offer was lost or counted late", law: "law 5", wrong: { say: mute(isBadNews) } },
  { bug: "not telling that a fork took a counted offer back", law: "law 5", wrong: { say: mute(isTakenBack) } },
  { bug: "telling no reasons", law: "law 5", wrong: { say: withoutReasons } },
  { bug: "keeping no states in the journal", law: "law 6", at: ONE, wrong: { say: without(isSavedState) } },
  {
    bug: "keeping no weights on the disk",
    law: "law 6",
    at: ONE,
    wrong: { say: without(({ kind }) => kind === "keep") },
  },
  { bug: "reading only the first half of the journal", law: "law 6", wrong: { hear: forgetful } },
  {
    bug: "saying everything a hundred times",
    law: "law 7",
    at: ONE,
    wrong: { say: (effect) => repeated(effect, 100) },
  },
  {
    bug: "refusing records of whoever is not the first in rank",
    law: "law 8",
    at: ONE,
    rules: {
      whyInvalid: (record, ...rest) =>
        record.attempt > 0 ? "it is not of the first" : RULEBOOK.whyInvalid(record, ...rest),
    },
  },
  { bug: "blaming the authors of what nobody counted", law: "law 8", wrong: { say: blaming } },
  {
    bug: "throwing at a record of many offers",
    law: "law 8",
    rules: {
      whyInvalid: (record, ...rest) => {
        if (record.counted.length > 4) throw new RangeError("too many");
        return RULEBOOK.whyInvalid(record, ...rest);
      },
    },
  },
  { bug: "deciding by chance", law: "law 9", rules: undecided() },
  {
    bug: "not returning the leases of those who left",
    law: "law 10",
    rules: {
      advance: (...given) => {
        const next = RULEBOOK.advance(...given);
        return { ...next, ledger: { ...next.ledger, returned: [] } };
      },
    },
  },
  {
    bug: "not counting what both sides of a fork trained",
    law: "law 10",
    rules: {
      unite: (...given) => {
        const united = RULEBOOK.unite(...given);
        return { ...united, ledger: { ...united.ledger, duplicated: 0 } };
      },
    },
  },
  {
    bug: "a round length that follows from nothing in the records",
    law: "law 10",
    rules: { advance: (...given) => ({ ...RULEBOOK.advance(...given), roundMs: 12_345 }) },
  },
  {
    bug: "dealing a window of another class",
    law: "law 10",
    isOfCells: true,
    rules: {
      advance: (...given) => {
        const state = RULEBOOK.advance(...given), { cell, ledger } = state, [first, ...others] = ledger.leases;
        if (cell === "" || first === undefined || ledger.returned.length === 0) return state;
        const dealt = ledger.returned.slice(0, 1);
        const leases = [{ ...first, ranges: union(first.ranges, dealt) }, ...others];
        return { ...state, ledger: { ...ledger, leases, returned: subtract(ledger.returned, dealt) } };
      },
    },
  },
  {
    bug: "believing another cell about the windows of its own",
    law: "law 10",
    isOfCells: true,
    rules: {
      advance: (parent, options) => {
        const state = RULEBOOK.advance(parent, options), { met } = options.record;
        // In honest runs the other cell knows less of them: here it is believed to know all.
        const known = met === null ? [] : [{ start: 0, end: parent.ledger.cursor }];
        const leases = state.ledger.leases.map((lease) => ({ ...lease, ranges: subtract(lease.ranges, known) }));
        return { ...state, ledger: { ...state.ledger, leases, returned: subtract(state.ledger.returned, known) } };
      },
    },
  },
  {
    bug: "counting offers of another cell's members",
    law: "law 10",
    isOfCells: true,
    rules: {
      selectCounted: (offers, context) => RULEBOOK.selectCounted(offers, ofNoCell(context)),
      whyInvalid: (record, offers, context) => RULEBOOK.whyInvalid(record, offers, ofNoCell(context)),
    },
    wrong: { say: toAllCells, hear: asHistory },
  },
  {
    bug: "adding to its tokens all that another cell knows, at each meeting anew",
    law: "law 2",
    isOfCells: true,
    rules: {
      advance: (parent, options) => {
        const state = RULEBOOK.advance(parent, options), { met } = options.record;
        const known = met === null ? 0 : windowCount(intersect(met.known, trainedIn(parent.ledger)));
        return { ...state, tokens: state.tokens + known * options.rules.contextLength };
      },
    },
  },
  {
    bug: "splitting a state with other numbers than all",
    law: "law 1",
    isOfCells: true,
    at: ONE,
    rules: { viewOf: (chain, digits, rules) => RULEBOOK.viewOf(chain, digits, { ...rules, cellSize: 2 }) },
  },
  {
    bug: "averaging the cells of a meeting with other shares than all",
    law: "law 3",
    isOfCells: true,
    at: ONE,
    rules: {
      meetingSides: (...given) =>
        RULEBOOK.meetingSides(...given).map((sides) => sides.map((side, i) => ({ ...side, share: i + 1 }))),
    },
  },
  {
    bug: "taking itself for a member of another cell",
    law: "law 1",
    isOfCells: true,
    at: ONE,
    rules: {
      viewOf: (chain, digits, rules) => RULEBOOK.viewOf(chain, `${digits[0] === "0" ? 1 : 0}${digits.slice(1)}`, rules),
    },
  },
];

for (const planted of PLANTED) {
  Deno.test(`the checkers catch ${planted.bug} as a breach of ${planted.law}`, () => {
    const found = new Set<string>();
    for (const broken of runs(planted)) {
      for (const fault of broken) found.add(fault.slice(0, 160));
      if (broken.some((fault) => fault.startsWith(`${planted.law}:`))) return;
    }
    assert.fail(`found only: ${[...found].slice(0, 5).join("; ") || "nothing"}`);
  });
}

/** A run of cells that meet; then seeds, until the law breaks. */
function* runsOfCells(given: Pick<SimulateOptions, "rulebookOf" | "bugOf">): Generator<readonly string[]> {
  const { rules } = drawWeather({ seed: 1, peers: 9, rounds: 8, cellSize: 4 });
  const machines = Array.from({ length: 9 }, (_, i) => ({ joinsAtMs: i < 6 ? 100 * i : 40_000 }));
  const roundsMs = { firstRoundMs: 10_000, leastRoundMs: 10_000, longestRoundMs: 20_000 };
  yield play(machines, { rules: { ...rules, ...roundsMs }, stormMs: 150_000 }, given).broken;
  for (let seed = 1; seed <= 24; seed++) yield simulate({ seed, peers: 9, rounds: 10, cellSize: 4, ...given }).broken;
}

/** First a scene with a partition, a late joiner, a leaver and a crash; then seeds, until the law breaks. */
function* runs({ rules, at = ALL, wrong, liar, isOfCells }: Planted): Generator<readonly string[]> {
  const given: Pick<SimulateOptions, "rulebookOf" | "bugOf" | "liar"> = {
    rulebookOf: (peer) => at(peer) ? { ...RULEBOOK, ...rules } : RULEBOOK,
    bugOf: (peer) => at(peer) && wrong !== undefined ? wrong : null,
    ...liar && { liar },
  };
  if (isOfCells) return yield* runsOfCells(given);
  yield play(
    [{}, { crashes: [crash(81_000)] }, { speed: 500 }, {}, { leavesAtMs: 52_000 }, { joinsAtMs: 24_000 }],
    { partitions: [{ fromMs: 15_000, untilMs: 145_000, groups: [[0, 1, 2]] }], stormMs: 150_000 },
    given,
  ).broken;
  for (let seed = 1; seed <= 48; seed++) yield simulate({ seed, peers: 6, rounds: 12, ...given }).broken;
}

/** The same state as that of the whole run, whose members all are. */
function ofNoCell<T extends { parent: { cell: string } }>(context: T): T {
  return { ...context, parent: { ...context.parent, cell: "" } };
}

function undecided(): Partial<Rulebook> {
  let calls = 0;
  return {
    selectCounted: (...given) => {
      const counted = RULEBOOK.selectCounted(...given);
      return calls++ % 2 === 0 ? counted : counted.slice(0, 1);
    },
  };
}
