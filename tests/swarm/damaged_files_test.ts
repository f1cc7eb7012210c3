/**
 * Every file of a real peer's folder, damaged: emptied, cut short, with bits flipped. A peer started on it goes on from a
 * state that the run really had, or ends and says what to do; it never shows its user a stack, and never begins anew.
 *
 * `STARLING_SEED` gives another seed, `STARLING_DAMAGES` says how many damages each file gets.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { openRunData } from "../../runtime/run_folder.ts";
import { encodeShard } from "../../runtime/data/shards.ts";
import { type Chance, chance } from "../chance.ts";
import { type RoundEvent, Seat } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

const SEED = Number(Deno.env.get("STARLING_SEED") ?? 1);
const DAMAGES = Number(Deno.env.get("STARLING_DAMAGES") ?? 1);
const ROUNDS = 4;
/** Exit codes of what a user can mend: state, input, network. */
const EXPECTED_CODES = [3, 4, 5];

Deno.test("a peer whose files are damaged goes on from a state that was, or says what to do", async () => {
  const path = await Deno.makeTempDir({ prefix: "starling-damage-" }), random = chance(SEED);
  try {
    const whole = join(path, "whole");
    await makeRun(whole);
    const known = await trainAndKill(whole);
    const files = await filesBelow(whole);
    assert.ok(["run.json", "network.key", "peer/identity.key", "peer/journal"].every((name) => files.includes(name)));
    for (const name of chosen(files, random)) {
      for (let n = 0; n < DAMAGES; n++) {
        const run = join(path, "damaged");
        await copyFolder(whole, run);
        const what = `seed ${SEED}: ${name} ${await damage(join(run, name), random)}`;
        await expectSense(run, { known, what });
        await Deno.remove(run, { recursive: true });
      }
    }
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

/** State digests that the run had, by round. */
type Known = ReadonlyMap<number, string>;

async function expectSense(run: string, { known, what }: { known: Known; what: string }): Promise<void> {
  await using peer = new Seat(["start", run]);
  const first = await Promise.race([
    peer.round(({ round }) => round > 0).catch(() => null),
    peer.child.ended.then(() => null),
  ]);
  peer.child.kill(); // it would take its time to leave
  if (first !== null) {
    const was = known.get(first.round);
    if (Deno.env.has("STARLING_FIGURES")) console.log(`${what}: goes on with round ${first.round}`);
    assert.ok(was !== undefined, `${what}: it goes on with round ${first.round}, and the run had ${[...known.keys()]}`);
    return assert.equal(first.digest, was, `${what}: round ${first.round} has another state`);
  }
  const code = await peer.child.ended, complaint = peer.child.complaint();
  if (Deno.env.has("STARLING_FIGURES")) console.log(`${what}: ${complaint.trim()}`);
  assert.ok(EXPECTED_CODES.includes(code), `${what}: exit ${code}\n${complaint}`);
  assert.match(complaint, /^error {2}Cannot [^]*\. ?[^]*\(exit \d\)/m, what);
  assert.doesNotMatch(complaint, /^\s+at /m, what);
}

/** A private run with a shard of its own text. */
async function makeRun(path: string): Promise<void> {
  const data = await openRunData(path).catch(async () => {
    await Deno.mkdir(path);
    return await openRunData(path);
  });
  const text = new TextEncoder().encode("The quick brown fox jumps over the lazy dog. ".repeat(500));
  const { bytes, tokenCount } = encodeShard(Uint16Array.from(text));
  const shards = [{ blob: await data.put(bytes), sizeBytes: bytes.length, tokenCount }];
  await Deno.writeTextFile(join(path, "run.json"), JSON.stringify(tinyRun({ data: { kind: "shards", shards } })));
  await Deno.writeTextFile(join(path, "network.key"), `${"ab".repeat(32)}\ncheck 271a413b\n`);
}

/** One peer to the given round, stopped once so that its optimizer is kept, then killed. */
async function trainAndKill(run: string): Promise<Known> {
  const known = new Map<number, string>();
  const remember = (peer: Seat) => {
    for (const event of peer.said("round") as readonly RoundEvent[]) known.set(event.round, event.digest);
  };
  {
    await using peer = new Seat(["start", run]);
    await peer.round(({ round }) => round >= 2);
    peer.child.interrupt();
    await peer.child.ended;
    remember(peer);
  }
  await using peer = new Seat(["start", run]);
  await peer.round(({ round }) => round >= ROUNDS);
  peer.child.kill();
  await peer.child.ended;
  remember(peer);
  const text = await Deno.readTextFile(join(run, "peer", "events.jsonl"));
  for (const line of text.trim().split("\n")) {
    const event = JSON.parse(line);
    if (event.kind === "round") known.set(event.round, event.digest);
  }
  return known;
}

/** Every file but blobs, and of those three: the run's, and two of the peer's. */
function chosen(files: readonly string[], random: Chance): readonly string[] {
  const blobs = files.filter((name) => name.startsWith("peer/blobs/"));
  return [...files.filter((name) => !blobs.includes(name)), random.pick(blobs), random.pick(blobs)];
}

/** Damages a file; returns how, for people. */
async function damage(path: string, random: Chance): Promise<string> {
  const bytes = await Deno.readFile(path);
  if (bytes.length === 0 || random.happens(0.2)) {
    await Deno.writeFile(path, new Uint8Array());
    return "emptied";
  }
  if (random.happens(0.4)) {
    const length = random.whole(0, bytes.length - 1);
    await Deno.truncate(path, length);
    return `cut to ${length} of ${bytes.length} bytes`;
  }
  const places = Array.from({ length: random.whole(1, 3) }, () => random.whole(0, bytes.length * 8 - 1));
  for (const bit of places) bytes[bit >> 3]! ^= 1 << (bit & 7);
  await Deno.writeFile(path, bytes);
  return `with bits ${places.join(", ")} of ${bytes.length * 8} flipped`;
}

async function filesBelow(folder: string, prefix = ""): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, prefix))) {
    const path = `${prefix}${name}`;
    if (isDirectory) found.push(...await filesBelow(folder, `${path}/`));
    else found.push(path);
  }
  return found.sort();
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}
