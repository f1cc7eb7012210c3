/**
 * `starling devices --tune` as a user meets it, on whatever GPU there is.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { parseTuned } from "../runtime/tuning/tuned_products.ts";
import { describeWebGpu } from "../runtime/device/webgpu.ts";
import { starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

/** Of sizes that are alike, so that there are few products, and small, so that there are few forms of them. */
const { model, training } = tinyRun();
const run = tinyRun({
  model: { ...model, hiddenWidth: model.width },
  training: { ...training, batch: 1 },
  membership: "open",
});

const adapter = await describeWebGpu();

Deno.test({
  name:
    "devices --tune shows the fastest form of every product of a run's model, and keeps it for the peers of this machine",
  ignore: adapter === undefined,
  async fn() {
    const place = await Deno.makeTempDir(), cache = join(place, "cache"), file = join(cache, "products.json");
    try {
      await Deno.writeTextFile(join(place, "run.json"), JSON.stringify(run));
      await Deno.mkdir(cache);
      await Deno.writeTextFile(file, "not JSON");
      const { code, out, err } = await starling(["devices", "--tune", join(place, "run.json")], {
        STARLING_CACHE: cache,
      });
      assert.equal(code, 0, err);
      assert.ok(err.includes(`Device: ${adapter}. Measuring the matrix products`), err);
      assert.ok(err.includes(`${file} is damaged, or of another version`), err);
      assert.match(out, /^ {2}product +M × N × K +form +GFLOP\/s +× by shape$/m);
      const rows = out.match(/^ {2}[NT]{2} \d+ × \d+ × \d+ f(32|16) .*$/gm)!;
      const [kept] = parseTuned(await Deno.readTextFile(file))!;
      assert.ok(rows.length > 5 && Object.keys(kept!.classes).length === rows.length, out);
      assert.ok(kept!.subject.startsWith(adapter!));
      assert.ok(out.includes(`Kept in ${file}; every peer on this machine uses it.`));
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});
