/**
 * Tests on the `dawn` device: skipped, with the reason, where Dawn is not here or finds no GPU that it can use.
 *
 * Mesa's software driver of Debian 12 is too old for it. SwiftShader will do, which is part of Chromium:
 * `VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json`.
 * @module
 */

/** Asked in a process of its own: a library that finds nothing should not be loaded beside what is tested. */
async function findProblem(): Promise<string | null> {
  const program = new URL("./adapter.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", program, "dawn"],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (code === 0) return null;
  const said = new TextDecoder().decode(stdout).trim(), error = new TextDecoder().decode(stderr);
  return said !== "" ? "Dawn finds no GPU that it can use" : /NoDawnError: (.*)/.exec(error)?.[1] ?? "Dawn crashes";
}

let found: Promise<string | null> | undefined;

/** Null if Dawn can be tested here, or why not. */
export function dawnProblem(): Promise<string | null> {
  return found ??= findProblem();
}
