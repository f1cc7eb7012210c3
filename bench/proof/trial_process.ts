/**
 * A process that runs trials: a description a line comes in, what is kept of it goes out as a line.
 * @module
 */
import { readLines } from "../read_lines.ts";
import { runTrial, type Trial } from "./trial.ts";

for await (const line of readLines(Deno.stdin.readable)) {
  console.log(JSON.stringify(await runTrial(JSON.parse(line) as Trial)));
}
Deno.exit(0); // devices' threads need not be waited for
