/**
 * A newcomer among peers that die while it fetches what it needs from them.
 * @module
 */
import { strict as assert } from "node:assert";
import { withFlock } from "./flock.ts";
import { joinUnderFire, runWithText } from "./join.ts";

const names = ["wren", "finch", "robin", "heron", "snail"];

Deno.test("a newcomer gets the run's data though half of those who give it die, and hardly anything twice", async () => {
  const lines = { snail: { bitsPerSecond: 8e6, delayMs: 5 } };
  const options = { names, config: runWithText(1_500_000), lines, flags: ["--throttle", "20"] };
  await withFlock(options, async (flock) => {
    ["wren", "finch", "robin", "heron"].forEach((name) => flock.start(name));
    const { sizeBytes, heldBytes, receivedBytes } = await joinUnderFire(flock, "snail", ["wren", "heron"]);
    assert.ok(heldBytes < sizeBytes / 2, `${heldBytes} of ${sizeBytes} bytes were there when they died`);
    assert.ok(receivedBytes < 1.3 * sizeBytes, `${receivedBytes} bytes came for ${sizeBytes}`);
    await flock.seat("snail").next("admitted");
    await flock.together(["finch", "robin", "snail"]);
  });
});
