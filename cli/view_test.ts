import { strict as assert } from "node:assert";
import type { PeerEvent } from "../runtime/event.ts";
import { type RoundEvent, roundEvent } from "../tests/round_event.ts";
import { emptyView, observe, remainingMs, render, roundLine, runSpeed, unreachableText, type View } from "./view.ts";

const round = (number: number, tokens: number, changes: Partial<RoundEvent> = {}): PeerEvent =>
  roundEvent(number, {
    ...{ tokens, loss: 5 / number, roster: ["12D3KooW", "12D3KooX", "12D3KooY", "12D3KooZ"] },
    ...changes,
  });

function after(...events: readonly (readonly [atMs: number, event: PeerEvent])[]): View {
  return events.reduce((view, [atMs, event]) => observe(view, event, atMs), emptyView(0));
}

Deno.test("a view shows the run, the losses, one row a peer, and marks this peer", () => {
  const started: PeerEvent = {
    kind: "started",
    run: "7f3a".repeat(16),
    name: "club",
    peer: "12D3KooW",
    peerName: "wren",
    folder: "club/peer",
    addresses: [],
    dials: [],
    ticket: "star1",
    mostBlobBytes: 1e9,
  };
  const met: PeerEvent = { kind: "connected", peer: "12D3KooX", relay: null };
  const view = after([0, started], [9, met], [6000, round(1, 8000)], [12_000, round(2, 20_000, { heldOut: 4.25 })]);
  assert.deepEqual(render(view, {}, 12_000), [
    "run club 7f3a7f3a…  ·  round 2  ·  0:12  ·  20.0 k tokens  ·  2,000 tok/s",
    "loss  5.00 █▁ 2.50   held-out 4.25 → 4.25",
    "  peer    device  tok/s  batch  steps  compute  wait  net  last offer",
    "  wren ★  cpu     1,234  8 × 2     14     97 %   1 %  2 %  counted",
    "  state cdcdcdcd…  members 4, alive 2, counted 1 in round 2",
  ]);
});

Deno.test("a view marks this peer by its id: another may have taken its name", () => {
  const [own] = roundEvent(1, {}).members, twin = { ...own!, peer: "12D3KooX" };
  const view = { ...after([1, round(1, 0, { members: [twin, own!] })]), self: own!.peer };
  assert.deepEqual(render(view, {}, 1).slice(3, 5).map((text) => text.includes("★")), [false, true]);
});

Deno.test("a view says when contributions are sparse", () => {
  assert.match(
    render(after([0, round(1, 0, { codec: "topk 128" })]), {}, 1).at(-1)!,
    /^ {2}state cdcdcdcd… .* {2}contributions topk 128$/,
  );
});

Deno.test("a view says how many lineages there are, while there are several", () => {
  const view = (count: number) => {
    const [lineage] = roundEvent(1).lineages,
      lineages = Array.from({ length: count }, (_, id) => ({ ...lineage!, id }));
    const seen = after([0, round(1, 0, { lineages })]);
    return [render(seen, {}, 1).at(-1)!, roundLine(seen, {}, 1)] as const;
  };
  const [live, plain] = view(3);
  assert.match(live, /in round 1 {2}lineages 3$/);
  assert.match(plain, /1 peer {2}3 lineages {2}state/);
  assert.ok(view(1).every((text) => !text.includes("lineage")));
});

Deno.test("a view says how large a batch is that may grow", () => {
  const lastLine = (policy: "constant" | "norm-test") => {
    const globalBatch = { policy, request: 64, dealt: 64, noiseScale: 105, ceiling: 182, reason: "210 wanted" };
    return render(after([0, round(1, 0, { globalBatch })]), {}, 1).at(-1)!;
  };
  assert.match(lastLine("norm-test"), /in round 1 {2}batch 64$/);
  assert.doesNotMatch(lastLine("constant"), /batch/);
});

Deno.test("a view without a round yet says how the first is going", () => {
  const progress: PeerEvent = {
    kind: "progress",
    round: 1,
    tokens: 512,
    steps: 3,
    batch: 4,
    microBatch: 4,
    loss: 5.5,
    tokensPerSecond: 900,
    rate: 1e-3,
  };
  assert.match(render(after([100, progress]), {}, 200).join("\n"), /first round: step 3, loss 5.50/);
});

Deno.test("the speed of a run is that of its last rounds, and the time to go follows from it", () => {
  const view = after([0, round(1, 0)], [10_000, round(2, 20_000, { targetTokens: 60_000 })]);
  assert.equal(runSpeed(view), 2000);
  assert.equal(remainingMs(view, {}, 10_000), 20_000);
  assert.equal(remainingMs(view, { endsAtMs: 13_000 }, 10_000), 3000);
  assert.match(roundLine(view, {}, 10_000), /^round 2 .*2,000 tok\/s {2}1 peer {2}.*0:20 to go$/);
});

Deno.test("a peer that catches up on many rounds at once does not boast of their speed", () => {
  const early = [[0, round(1, 0)], [9000, round(2, 18_000)], [9010, round(3, 36_000)], [
    9020,
    round(4, 54_000),
  ]] as const;
  assert.equal(runSpeed(after(...early)), 0);
  const view = after(...early, [18_020, round(5, 72_000)]);
  assert.equal(runSpeed(view), 2000);
  assert.match(roundLine(view, {}, 18_020), /2,000 tok\/s {2}1 peer {2}/);
});

Deno.test("a peer that cannot be reached is told with the address once", () => {
  const [peer, address] = ["12D3KooWgone", "/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWgone"];
  assert.equal(
    unreachableText({ peer, reason: `Cannot connect to ${address}: off.` }),
    `Cannot connect to ${address}: off.`,
  );
  assert.equal(unreachableText({ peer, reason: "it has no address" }), `${peer} cannot be reached: it has no address`);
});

Deno.test("before there is a round the view says what is being done", () => {
  assert.equal(render(emptyView(0), {}, 5000).at(-1), "  measuring devices, opening the data");
  const started = { ...emptyView(0), run: "ab".repeat(32) };
  assert.equal(render(started, {}, 5000).at(-1), "  waiting for the first round");
});

Deno.test("a notice goes after a while", () => {
  const view = after([0, round(1, 0)], [1000, { kind: "warning", message: "a step was skipped" }]);
  assert.match(render(view, {}, 2000).join("\n"), /a step was skipped/);
  assert.doesNotMatch(render(view, {}, 60_000).join("\n"), /a step was skipped/);
});

Deno.test("a round that nobody trained in has no loss, and the view keeps the last one", () => {
  const view = after([0, round(1, 0)], [1000, round(2, 0, { loss: null, members: [] })]);
  assert.equal(view.losses.length, 1);
});
