import { strict as assert } from "node:assert";
import { join } from "node:path";
import { StorageError } from "../p2p/store/storage_error.ts";
import { roundMetrics, runMetrics } from "../tests/metrics_lines.ts";
import { parseMetrics } from "./metrics_lines.ts";
import { MetricsLog } from "./metrics_log.ts";

async function inFolder(work: (path: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "starling-metrics-" });
  try {
    await work(join(folder, "metrics.jsonl"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const roundsIn = (path: string) => parseMetrics(Deno.readTextFileSync(path))!.rounds.map(({ round }) => round);

Deno.test("a metrics log goes on where the one before it ended", () =>
  inFolder((path) => {
    {
      using log = new MetricsLog(path);
      assert.equal(log.last(), null);
      log.append(runMetrics());
      log.append(roundMetrics(1));
    }
    using log = new MetricsLog(path);
    assert.deepEqual(log.last(), roundMetrics(1));
    log.append(roundMetrics(2));
    assert.deepEqual(roundsIn(path), [1, 2]);
  }));

Deno.test("a line that was cut off stays alone, and the one before it is the last", () =>
  inFolder((path) => {
    {
      using log = new MetricsLog(path);
      log.append(runMetrics());
      log.append(roundMetrics(1));
      log.append(roundMetrics(2));
    }
    Deno.truncateSync(path, Deno.statSync(path).size - 40);
    using log = new MetricsLog(path);
    assert.equal(log.last()?.round, 1);
    log.append(roundMetrics(3));
    assert.deepEqual(roundsIn(path), [1, 3]);
    assert.equal(parseMetrics(Deno.readTextFileSync(path))!.damaged, 1);
  }));

Deno.test("a metrics log is never larger than it may be, and keeps its beginning", () =>
  inFolder((path) => {
    const mostBytes = 2_000_000;
    using log = new MetricsLog(path, { mostBytes });
    log.append(runMetrics());
    for (let round = 1; round <= 4_000; round++) {
      log.append(roundMetrics(round));
      if (round % 500 === 0) assert.ok(Deno.statSync(path).size <= mostBytes, `round ${round}`);
    }
    const rounds = roundsIn(path);
    assert.equal(rounds[0], 1);
    assert.deepEqual(rounds.slice(-1_000), Array.from({ length: 1_000 }, (_, i) => 3_001 + i));
  }));

Deno.test({
  name: "a full disk is a StorageError that says so, each time",
  ignore: Deno.build.os !== "linux", // only there is a disk that is always full
  fn: () =>
    inFolder((path) => {
      Deno.symlinkSync("/dev/full", path);
      using log = new MetricsLog(path);
      assert.throws(() => log.append(roundMetrics(1)), (error) => error instanceof StorageError && error.isFull);
      assert.throws(() => log.append(roundMetrics(2)), StorageError);
    }),
});

Deno.test("a folder that is gone is a StorageError, and costs nothing until there is a line", () => {
  using log = new MetricsLog("/nonexistent/starling/metrics.jsonl");
  assert.equal(log.last(), null);
  assert.throws(() => log.append(runMetrics()), StorageError);
});
