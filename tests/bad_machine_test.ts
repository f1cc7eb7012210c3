/**
 * Machines that do not give what a peer needs: no GPU, a folder that cannot be written, a disk that is full.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { makeRunPlace } from "./run_place.ts";
import { LOCAL, Seat, starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

const makeRun = () => makeRunPlace(tinyRun({ membership: "open" }));

Deno.test("--device webgpu on a machine without a GPU ends with the reason and what to do", async () => {
  await using place = await makeRun();
  // A backend that only Windows has: no adapter is found.
  const { code, err } = await starling(["start", place.run, ...LOCAL, "--device", "webgpu"], {
    DENO_WEBGPU_BACKEND: "dx12",
  });
  assert.equal(code, 6, err);
  assert.match(err, /no adapter found\. Install a Vulkan driver .*, or use the cpu device/);
});

Deno.test("--precision f16 on a device that cannot store it ends with the reason and what to do", async () => {
  await using place = await makeRun();
  const { code, err } = await starling(["start", place.run, ...LOCAL, "--device", "cpu", "--precision", "f16"]);
  assert.equal(code, 6, err);
  assert.match(err, /Cannot train in f16 on cpu \(.*\): it cannot store f16\. Use --precision f32 or auto/);
});

Deno.test("a state folder that cannot be made ends with the path and the reason", async () => {
  await using place = await makeRun();
  const file = join(place.path, "file");
  await Deno.writeTextFile(file, "");
  const { code, err } = await starling(["start", place.run, ...LOCAL, "--state", join(file, "state")]);
  assert.equal(code, 3, err);
  assert.ok(err.includes(join(file, "state")), err);
});

Deno.test({
  name: "a state folder without permission to write ends with the path and the reason",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0, // root may write everywhere
  async fn() {
    await using place = await makeRun();
    const state = join(place.path, "state");
    await Deno.mkdir(state, { mode: 0o500 });
    const { code, err } = await starling(["start", place.run, ...LOCAL, "--state", state]);
    assert.equal(code, 3, err);
    assert.ok(err.includes(state), err);
  },
});

Deno.test("a peer whose disk is full ends with the reason, and goes on when there is room again", async (t) => {
  await using place = await makeRun();
  const disk = join(place.path, "disk");
  await Deno.mkdir(disk);
  // A state of this run has 0.14 MB, and for a moment there are three of them: no room can be made for that.
  const isMounted = await mount(["-t", "tmpfs", "-o", "size=400k", "tmpfs", disk]);
  await t.step({ name: "on a disk of its own (skipped where a test may not mount one)", ignore: !isMounted, fn });
  if (isMounted) await new Deno.Command("umount", { args: [disk] }).output();

  async function fn(): Promise<void> {
    const flags = ["start", place.run, "--state", join(disk, "state")];
    {
      await using peer = new Seat(flags);
      assert.equal(await peer.child.ended, 3, peer.account());
      assert.match(peer.account(), /disk is full|No space left/i);
    }
    assert.ok(await mount(["-o", "remount,size=64m", disk]));
    await using again = new Seat(flags);
    await again.round(({ loss }) => loss !== null);
  }
});

async function mount(args: readonly string[]): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  return (await new Deno.Command("mount", { args: [...args], stdout: "null", stderr: "null" }).output()).success;
}
