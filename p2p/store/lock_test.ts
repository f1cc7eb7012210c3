import { strict as assert } from "node:assert";
import { isLocked, lockState, StateInUseError } from "./lock.ts";

const now = new Date(2026, 4, 1, 13, 40);

Deno.test("lockState() lets one peer in and tells the second who is there and what to do", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const first = await lockState(`${folder}/wren`, { now });
    await assert.rejects(lockState(`${folder}/wren`, { now }), (error) => {
      assert.ok(error instanceof StateInUseError);
      assert.equal(
        error.message,
        `Cannot start: state folder "${folder}/wren" is in use by another peer ` +
          `(pid ${Deno.pid}, since 2026-05-01 13:40).\n` +
          "Stop that one, or give this one its own folder with --state.",
      );
      return true;
    });
    first[Symbol.dispose]();
    using _third = await lockState(`${folder}/wren`, { now });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("isLocked() tells whether somebody holds a folder, and changes nothing in it", async () => {
  const folder = await Deno.makeTempDir(), held = `${folder}/wren`;
  try {
    assert.equal(await isLocked(`${folder}/none`), false);
    await assert.rejects(Deno.stat(`${folder}/none`), Deno.errors.NotFound);
    const lock = await lockState(held, { now }), text = await Deno.readTextFile(`${held}/lock`);
    await Deno.chmod(`${held}/lock`, 0o400);
    assert.equal(await isLocked(held), true);
    lock[Symbol.dispose]();
    assert.equal(await isLocked(held), false);
    assert.equal(await Deno.readTextFile(`${held}/lock`), text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("lockState() leaves no lock behind when a process dies", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const lock = new URL("./lock.ts", import.meta.url).href;
    const code = `import { lockState } from ${JSON.stringify(lock)};
      globalThis.held = await lockState(${JSON.stringify(folder)}, { now: new Date(0) });
      console.log("held"); setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `data:application/typescript,${encodeURIComponent(code)}`],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await assert.rejects(lockState(folder, { now }), new RegExp(`pid ${child.pid}, since`));
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    using _mine = await lockState(folder, { now });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
