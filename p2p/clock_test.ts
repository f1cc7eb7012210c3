import { strict as assert } from "node:assert";
import { systemClock } from "./clock.ts";

Deno.test("systemClock goes on, and its alarms ring, when the machine's date is set an hour forward and back", async () => {
  const { now } = Date;
  try {
    let last = systemClock.now();
    for (const leapMs of [3_600_000, -3_600_000]) {
      Date.now = () => now() + leapMs;
      await new Promise<void>((resolve) => systemClock.alarm(systemClock.now() + 5, resolve));
      const passedMs = systemClock.now() - last;
      assert.ok(passedMs >= 4 && passedMs < 60_000, `${passedMs} ms have passed`);
      last = systemClock.now();
    }
  } finally {
    Date.now = now;
  }
});
