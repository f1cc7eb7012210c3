/**
 * `starling members` as an owner and as others meet it; `swarm/members_test.ts` has it beside running peers.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { identity } from "./conformance/transport.ts";
import { starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

const [wren, finch] = [identity(3).peer, identity(4).peer];

/** A folder that is gone when disposed. */
async function makeFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "starling-members-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("init makes a run whose owner is its folder's peer, and the owner allows and removes others", async () => {
  await using folder = await makeFolder();
  const club = join(folder.path, "club");
  const made = await starling(["init", club, "--membership", "allow"]);
  assert.equal(made.code, 0, made.err);
  const { owner, membership } = JSON.parse(await Deno.readTextFile(join(club, "run.json")));
  assert.equal(membership, "allow");
  assert.match(made.out, new RegExp(`only this folder's peer, ${owner}, until it allows others`));
  assert.match(await Deno.readTextFile(join(club, "network.key")), /^[0-9a-f]{64}\n/, "the key is needed as well");

  const list = async (...flags: readonly string[]) => {
    const { code, out, err } = await starling(["members", club, "--json", ...flags]);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  assert.deepEqual(await list(), { kind: "members", owner, number: 0, allowed: [], self: owner });
  assert.deepEqual((await list("--allow", wren, "--allow", finch)).allowed, [wren, finch].sort());
  assert.deepEqual(await list("--remove", wren), { kind: "members", owner, number: 2, allowed: [finch], self: owner });
  const { out } = await starling(["members", club]);
  assert.match(
    out,
    new RegExp(`owner    ${owner}  \\(this folder's peer\\)\nallowed  ${finch}\nThis is change 2 of the list`),
  );
});

Deno.test("members refuses what cannot be, says why and what to do, and changes nothing", async () => {
  await using folder = await makeFolder();
  const club = join(folder.path, "club"), other = join(folder.path, "private");
  for (const [path, kind] of [[club, "allow"], [other, "private"]] as const) {
    assert.equal((await starling(["init", path, "--membership", kind])).code, 0);
  }
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [[other], /its membership is 'private', so whoever has the ticket belongs to it.*init <folder> --membership allow/],
    [[club, "--allow", "wren"], /Cannot use 'wren' as a peer: wanted a peer id, 12D3KooW and 44 more characters/],
    [[club, "--remove", wren], new RegExp(`Cannot remove ${wren}: it is not on the list. 'starling members`)],
    [
      [club, "--allow", wren, "--state", join(folder.path, "elsewhere")],
      /only its owner 12D3Koo.* not made yet. Ask the/,
    ],
  ];
  for (const [args, wanted] of refusals) {
    const { code, err } = await starling(["members", ...args]);
    assert.equal(code, 2, err);
    assert.match(err, wanted);
  }
  assert.equal(JSON.parse((await starling(["members", club, "--json"])).out).number, 0);
});

Deno.test("run.json names an owner exactly if there is a list of members", async () => {
  await using folder = await makeFolder();
  const write = (run: Record<string, unknown>) =>
    Deno.writeTextFile(join(folder.path, "run.json"), JSON.stringify(run));
  for (
    const [run, wanted] of [
      [{ ...tinyRun(), membership: "allow" }, /'owner': must be there with membership 'allow', and only then/],
      [{ ...tinyRun(), owner: wren }, /'owner': must be there with membership 'allow', and only then/],
      [{ ...tinyRun(), membership: "allow", owner: "wren" }, /'owner': must be a peer id/],
    ] as const
  ) {
    await write(run);
    const { code, err } = await starling(["start", folder.path]);
    assert.equal(code, 4, err);
    assert.match(err, wanted);
  }
});
