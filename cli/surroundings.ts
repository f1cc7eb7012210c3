/**
 * What native libraries expect of a process's surroundings, set before they are loaded.
 * @module
 */

/**
 * Mesa's Vulkan driver complains on standard error, in the middle of our output, where no desktop has set this variable.
 * It only has to exist: nothing is written there.
 */
export function quietGraphicsDriver(): void {
  if (Deno.build.os !== "linux" || Deno.env.get("XDG_RUNTIME_DIR") !== undefined) return;
  Deno.env.set("XDG_RUNTIME_DIR", Deno.env.get("TMPDIR") ?? "/tmp");
}
