/**
 * Runs one seed and prints what happened; exits with 1 if a law is broken.
 *
 * `deno run -A tests/sim/main.ts --seed 7 --peers 6 --rounds 10`
 * @module
 */
import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      peers: { type: "string", default: "6" },
      rounds: { type: "string", default: "10" },
      quiet: { type: "boolean", default: false },
    },
  });
  const options = { seed: Number(values.seed), peers: Number(values.peers), rounds: Number(values.rounds) };
  if (Object.values(options).some((value) => !Number.isInteger(value) || value < 1)) {
    console.error("Cannot simulate: --seed, --peers and --rounds must be whole numbers above 0");
    Deno.exit(2);
  }
  const { broken, observer, peers } = simulate(options);
  if (!values.quiet) observer.trace.forEach((line) => console.log(line));
  const heads = peers.map(({ id }) => `${id} ${observer.adoptions.get(id)?.at(-1)?.chain.round ?? "-"}`);
  console.log(`rounds at the end: ${heads.join(", ")}; ${JSON.stringify(observer.tally)}; digest ${observer.digest()}`);
  broken.slice(0, 20).forEach((fault) => console.log(`BROKEN ${fault}`));
  Deno.exit(broken.length === 0 ? 0 : 1);
}
