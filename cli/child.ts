/**
 * A peer in its own process, as the demo and the swarm tests run it: start it, read its events, stop it.
 *
 * The child runs `starling start … --json --attached`: when this process ends, however it ends, the child's standard
 * input closes and the child stops by itself, so nothing is left running.
 * @module
 */
import type { PeerEvent } from "../runtime/event.ts";

export interface ChildOptions {
  /** The arguments after `starling`, e.g. `["start", "club", "--state", "club/wren"]`. */
  readonly args: readonly string[];
  /** The command that runs it somewhere else, e.g. in a network namespace; the program and its arguments follow. */
  readonly through?: readonly string[];
  /** Called for every event, in order. */
  readonly onEvent: (event: PeerEvent) => void;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
  /** What it wrote to standard error, at most the last 4,000 characters. */
  complaint(): string;
  /** Asks it to stop: as Ctrl+C does. */
  interrupt(): void;
  /** Ends it at once, as `kill -9` does. */
  kill(): void;
}

const LONGEST_STOP_MS = 20_000;

/** Starts a peer process. */
export function startChild({ args, through = [], onEvent }: ChildOptions): Child {
  const main = new URL("./main.ts", import.meta.url).href;
  const [command, ...rest] = [...through, Deno.execPath(), "run", "-A", "--quiet", main];
  const process = new Deno.Command(command!, {
    args: [...rest, ...args, "--json", "--attached"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let complaint = "";

  const events = eachLine(process.stdout, (text) => {
    const event = parseEvent(text);
    if (event !== null) onEvent(event);
  });
  const complaints = eachLine(process.stderr, (text) => {
    complaint = `${complaint}${text}\n`.slice(-4000);
  });
  const ended = (async () => {
    const { code } = await process.status;
    await Promise.all([events, complaints]);
    await process.stdin.close().catch(() => {}); // already closed by the child's end
    return code;
  })();

  const signal = (name: Deno.Signal) => {
    try {
      process.kill(name);
    } catch { /* it has ended */ }
  };
  return {
    pid: process.pid,
    ended,
    complaint: () => complaint.trim(),
    interrupt: () => signal(Deno.build.os === "windows" ? "SIGTERM" : "SIGINT"),
    kill: () => signal("SIGKILL"),
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => signal("SIGKILL"), LONGEST_STOP_MS);
      this.interrupt();
      await ended;
      clearTimeout(timer);
    },
  };
}

function parseEvent(text: string): PeerEvent | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "kind" in value ? value as PeerEvent : null;
  } catch {
    return null;
  }
}

/** Gives the lines of a stream to a function, one after the other. */
export async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  handle: (text: string) => void | Promise<void>,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) await handle(line);
  }
  if (rest !== "") await handle(rest);
}
