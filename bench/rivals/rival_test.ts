import { strict as assert } from "node:assert";
import type { Work } from "../contest.ts";
import { openRivals, type RivalCommand } from "./rival.ts";

const work: Work = { kind: "products", products: [[1, 1, 1, 0, 0]] };

/** A process that runs this program. */
function program(name: string, text: string): RivalCommand {
  return { name, command: Deno.execPath(), args: ["eval", "--quiet", text] };
}

Deno.test("a rival that cannot be started, or ends before it says who it is, is a line with the reason", async () => {
  const { rivals, missing } = await openRivals([
    { name: "nobody", command: "/nowhere/python", args: [] },
    program("a library", `console.error("It is not\\ninstalled here"); Deno.exit(1);`),
  ]);
  assert.deepEqual(rivals, []);
  assert.deepEqual(missing.map(({ device }) => device), ["nobody, skipped", "a library, skipped"]);
  assert.match(String(missing[0]!["reason"]), /\/nowhere\/python/);
  assert.equal(missing[1]!["reason"], "installed here");
});

Deno.test("a rival is asked in lines of JSON, and its answers, errors and end are the contestant's", async () => {
  const answers = `
    console.log(JSON.stringify({ device: "a rival", threads: 2 }));
    const decoder = new TextDecoder();
    let asked = 0;
    for await (const bytes of Deno.stdin.readable) {
      for (const line of decoder.decode(bytes).trim().split("\\n")) {
        const { kind, count } = JSON.parse(line);
        asked++;
        if (asked === 1) console.log(JSON.stringify({ ms: 3 * count, value: kind.length }));
        else if (asked === 2) console.log(JSON.stringify({ error: "no memory" }));
        else {
          console.error("it crashed");
          Deno.exit(1);
        }
      }
    }`;
  const { rivals: [rival] } = await openRivals([program("a rival", answers)]);
  await using _ = rival!;
  assert.deepEqual(rival!.about, { device: "a rival", threads: 2 });
  assert.deepEqual(await rival!.turn(work, 5), { ms: 15, value: 8 });
  await assert.rejects(rival!.turn(work, 1), /no memory/);
  await assert.rejects(rival!.turn(work, 1), /it crashed/);
});
