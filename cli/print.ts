/**
 * The only file that writes to the terminal.
 *
 * Three manners: a live view that redraws itself (a terminal), plain lines (anything else), events as JSON lines
 * (`--json`). Results go to standard output; progress on a terminal too, so that a pipe receives only results.
 * @module
 */
import pc from "picocolors";

export type Manner = "live" | "plain" | "json" | "quiet";

const encoder = new TextEncoder();

/** Which manner fits the flags and the terminal. */
export function mannerOf({ json, quiet }: { readonly json?: boolean; readonly quiet?: boolean }): Manner {
  if (json) return "json";
  if (quiet) return "quiet";
  return Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb" ? "live" : "plain";
}

/** Writes a line of a result to standard output. */
export function line(text = ""): void {
  write(Deno.stdout, `${text}\n`);
}

/** Writes a value as one line of JSON. */
export function json(value: unknown): void {
  line(JSON.stringify(value));
}

/** Writes text without a line end: streamed samples. */
export function raw(text: string): void {
  write(Deno.stdout, text);
}

/** Writes a message about the work, not a result, to standard error. */
export function note(text: string): void {
  write(Deno.stderr, `${text}\n`);
}

/** Writes an error with its remedy and the code that the program will exit with. */
export function failure(message: string, code: number): void {
  note(`${pc.red(pc.bold("error"))}  ${message}  ${pc.dim(`(exit ${code})`)}`);
}

/** A block of lines at the bottom of the terminal that replaces itself; lines above it scroll away. */
export class LiveBlock implements Disposable {
  #height = 0;

  constructor() {
    raw("\x1b[?25l");
  }

  /** Replaces the block. */
  draw(lines: readonly string[]): void {
    const width = columns();
    raw(this.#eraser() + lines.map((text) => `${text.slice(0, width)}\x1b[K\n`).join(""));
    this.#height = lines.length;
  }

  /** Writes a line that stays, above the block. */
  above(text: string, lines: readonly string[]): void {
    raw(`${this.#eraser()}${text}\n`);
    this.#height = 0;
    this.draw(lines);
  }

  [Symbol.dispose](): void {
    raw("\x1b[?25h");
  }

  #eraser(): string {
    // "\r" because the terminal may have echoed "^C"
    return this.#height === 0 ? "" : `\r\x1b[${this.#height}A\x1b[J`;
  }
}

/** Width of the terminal, 100 where there is none. */
export function columns(): number {
  try {
    return Math.max(40, Deno.consoleSize().columns);
  } catch {
    return 100;
  }
}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let sent = 0; sent < bytes.length;) sent += stream.writeSync(bytes.subarray(sent));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // the reader went away: nobody to tell
  }
}
