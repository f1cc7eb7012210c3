import { strict as assert } from "node:assert";
import { tinyRun } from "../tests/tiny_run.ts";
import { stateBytes } from "../runtime/config.ts";
import { expectMemoryFor } from "./machine_memory.ts";

Deno.test("a run whose states this machine cannot hold is refused before anything of it is opened, with what to do", () => {
  const run = tinyRun(), wantedBytes = 4 * stateBytes(run);
  expectMemoryFor(run, wantedBytes);
  assert.throws(() => expectMemoryFor(run, wantedBytes - 1), {
    name: "DeviceMemoryError",
    message: /"tiny" here: its states alone take \d+ kB of memory and this machine has \d+ kB. Use a machine with more/,
  });
});

Deno.test("a run with momentum takes twice the memory", () => {
  const run = tinyRun(), outer = { ...run.outer, momentum: 0.9 };
  assert.throws(() => expectMemoryFor({ ...run, outer }, 4 * stateBytes(run)), { name: "DeviceMemoryError" });
});
