/**
 * A process that runs batches of cases, and is ended when it takes too long or too much.
 *
 * It is no thread: a thread in an endless loop cannot be ended from outside, goes on beside all that follows, and takes
 * memory until the machine has none.
 * @module
 */
import { eachLine } from "../../cli/child.ts";
import type { Batch, BatchResult } from "./run_cases.ts";

/** A batch takes some seconds; one that takes longer than this hangs, on however busy a machine. */
const HUNG_MS = 180_000;
/** What a process that fuzzes may hold in memory: several times what any does. */
const MOST_BYTES = 1024 ** 3;
const WATCH_EVERY_MS = 500;
const PROGRAM = new URL("./fuzz_program.ts", import.meta.url).href;

/** What became of a batch: its result, or why there is none; then this process is no more. */
export type Answer =
  | { readonly kind: "result"; readonly result: BatchResult }
  | { readonly kind: "gone"; readonly reason: string };

export interface FuzzProcessOptions {
  readonly program?: string;
  readonly hungMs?: number;
  readonly mostBytes?: number;
}

export class FuzzProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #ended: Promise<void>;
  readonly #hungMs: number;
  readonly #mostBytes: number;
  #answer: ((answer: Answer) => void) | null = null;
  #complaint = "";

  constructor({ program = PROGRAM, hungMs = HUNG_MS, mostBytes = MOST_BYTES }: FuzzProcessOptions = {}) {
    this.#hungMs = hungMs;
    this.#mostBytes = mostBytes;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", `--v8-flags=--max-old-space-size=${Math.ceil(mostBytes / 1024 ** 2)}`, program],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    const results = eachLine(
      this.#process.stdout,
      (line) => this.#settle({ kind: "result", result: JSON.parse(line) as BatchResult }),
    );
    const complaints = eachLine(this.#process.stderr, (line) => {
      this.#complaint = `${this.#complaint}${line}\n`.slice(-2000);
    });
    this.#ended = this.#process.status.then(async ({ code }) => {
      await Promise.all([results, complaints]);
      this.#settle({ kind: "gone", reason: `its process ended with ${code}\n${this.#complaint}` });
    });
  }

  /** Runs one batch; one at a time. */
  async ask(batch: Batch): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#answer = resolve;
    const late = setTimeout(() => this.#end(`it took more than ${this.#hungMs} ms`), this.#hungMs);
    const watch = setInterval(() => {
      const heldBytes = residentBytes(this.#process.pid);
      if (heldBytes > this.#mostBytes) this.#end(`its process holds ${heldBytes} bytes, at most ${this.#mostBytes}`);
    }, WATCH_EVERY_MS);
    // If it is gone already, its end says so.
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(batch)}\n`)).catch(() => {});
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      clearInterval(watch);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end("it is over");
    await this.#ended;
    await this.#input.abort().catch(() => {}); // closed by the end of the process
  }

  #end(reason: string): void {
    this.#settle({ kind: "gone", reason });
    try {
      this.#process.kill("SIGKILL");
    } catch { /* it has ended */ }
  }

  #settle(answer: Answer): void {
    this.#answer?.(answer);
    this.#answer = null;
  }
}

/** What a process holds in memory; 0 where the system has no such file: its own word after each batch must do there. */
function residentBytes(pid: number): number {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
