/**
 * A `deno test` in a process of its own: what it prints is shown and counted.
 *
 * Several may run beside each other, so what one prints is shown file by file, each file's lines together.
 * @module
 */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

export interface TestRun {
  readonly code: number;
  /** What ended the process, if it did not end by itself. */
  readonly signal: Deno.Signal | null;
  readonly counts: Counts;
}

export interface TestProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Only what others leave of the processor, where the system has a word for that. For tests on virtual time. */
  readonly isPatient?: boolean;
}

/** Runs `deno test` with these arguments. */
export async function runDenoTest(
  args: readonly string[],
  { env = {}, isPatient = false }: TestProcessOptions = {},
): Promise<TestRun> {
  const command = [...(isPatient && Deno.build.os !== "windows" ? ["nice", "-n", "19"] : []), Deno.execPath()];
  const child = new Deno.Command(command[0]!, {
    args: [...command.slice(1), "test", "-A", ...args],
    stdout: "piped",
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp", ...env }, // or Mesa complains
  }).spawn();
  const tail = await showByFile(child.stdout);
  const { code, signal } = await child.status;
  const count = (word: string) => Number(tail.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return { code, signal, counts: { passed: count("passed"), failed: count("failed"), ignored: count("ignored") } };
}

/** Gives back the end of what was printed. */
async function showByFile(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let shown = "", held = "";
  const show = (end: number) => {
    console.log(held.slice(0, end).replace(/\n$/, ""));
    shown = (shown + held.slice(0, end)).slice(-4000);
    held = held.slice(end);
  };
  for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
    held += text;
    const next = held.lastIndexOf("\nrunning ");
    if (next >= 0) show(next + 1);
  }
  show(held.length);
  return shown;
}
