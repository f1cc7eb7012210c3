/**
 * Tests on the `dawn` device: on a GPU that Dawn finds, else on SwiftShader, else skipped with the reason.
 *
 * Mesa's software driver of Debian 12 is too old for it. The library itself is fetched if it is not on this machine yet
 * (`runtime/device/dawn_package.ts`).
 * @module
 */
import { DRIVER_VARIABLE, findSwiftShader } from "./swiftshader.ts";

/** What Dawn computes on here, or why on nothing. */
export type DawnHere =
  | { readonly ok: true; readonly description: string; readonly isSwiftShader: boolean }
  | {
    readonly ok: false;
    readonly problem: string;
    /** Whether a driver is all that it lacks. */
    readonly lacksDriver: boolean;
  };

const NO_GPU =
  "Dawn finds no GPU that it can use; deno run -A tests/kernels/swiftshader.ts fetches one in software on Debian";

/** Asks processes of their own: a library that finds nothing should not be loaded beside what is tested. */
export async function findDawn(): Promise<DawnHere & { readonly driver: Readonly<Record<string, string>> }> {
  const own = await ask({}), manifest = findSwiftShader();
  if (own.ok || !own.lacksDriver || manifest === null) return { ...own, driver: {} };
  const driver = { [DRIVER_VARIABLE]: manifest };
  return { ...await ask(driver), driver };
}

async function ask(env: Readonly<Record<string, string>>): Promise<DawnHere> {
  const program = new URL("./adapter.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", program, "dawn"],
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stdout).trim(), error = new TextDecoder().decode(stderr);
  if (code === 0) return { ok: true, description: said, isSwiftShader: /swiftshader/i.test(said) };
  if (said !== "") return { ok: false, problem: NO_GPU, lacksDriver: true };
  return { ok: false, problem: /NoDawnError: (.*)/.exec(error)?.[1] ?? "Dawn crashes", lacksDriver: false };
}

let here: Promise<DawnHere> | undefined;

/** From now on this process has the driver that Dawn works with, if there is one. */
export function dawnHere(): Promise<DawnHere> {
  return here ??= findDawn().then(({ driver, ...found }) => {
    for (const [name, value] of Object.entries(driver)) Deno.env.set(name, value);
    return found;
  });
}
