/**
 * A rival in a process of its own, as a contestant: it is asked in lines of JSON, `{work…, count}`, and answers each
 * with a `Turn` or `{error}`. Its first line says who it is. The other ends are the programs in this folder.
 *
 * Rivals are no dependencies: a program names what it loads with an exact version, stays out of `deno.lock`, whose
 * packages every user downloads, and if it cannot be loaded here a line says so (`skipped`). Libraries keep threads and memory, so each has a process and nothing of it stays in ours.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import type { About, Contestant, Turn } from "../contest.ts";
import type { BenchLine } from "../line.ts";
import { readLines } from "../read_lines.ts";

export interface RivalCommand {
  /** For people, if it cannot be had: "jax-js wasm". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** What a rival answers a request. */
export type RivalAnswer = Turn | { readonly error: string };

/** A program of this folder in Deno. */
export function denoRival(name: string, file: string, args: readonly string[]): RivalCommand {
  return {
    name,
    command: Deno.execPath(),
    args: ["run", "-A", "--quiet", "--no-lock", new URL(file, import.meta.url).href, ...args],
  };
}

/** PyTorch, by the Python that STARLING_PYTHON names, or `python3`. */
export function pytorchRival(place: "cpu" | "cuda", threads: number): RivalCommand {
  const program = new URL("pytorch.py", import.meta.url).pathname;
  return {
    name: `PyTorch ${place}`,
    command: Deno.env.get("STARLING_PYTHON") ?? "python3",
    args: [program, place, String(threads)],
  };
}

/** Those that start, and for each that does not a line that says why. */
export async function openRivals(
  commands: readonly RivalCommand[],
): Promise<{ readonly rivals: Contestant[]; readonly missing: BenchLine[] }> {
  const rivals: Contestant[] = [], missing: BenchLine[] = [];
  for (const command of commands) {
    try {
      rivals.push(await openRival(command));
    } catch (error) {
      missing.push({ name: "a rival is missing", device: `${command.name}, skipped`, reason: reasonOf(error) });
    }
  }
  return { rivals, missing };
}

async function openRival({ command, args }: RivalCommand): Promise<Contestant> {
  const process = new Deno.Command(command, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  let complaint = "";
  const complaints = (async () => {
    for await (const line of readLines(process.stderr)) if (line.trim() !== "") complaint = line.trim();
  })();
  const answers = readLines(process.stdout), requests = process.stdin.getWriter();
  const answer = async () => {
    const { value, done } = await answers.next();
    if (!done) return JSON.parse(value) as unknown;
    await complaints;
    throw new Error(complaint === "" ? "its process ended without a word" : complaint);
  };
  const about = await answer() as About;
  return {
    about,
    async turn(work, count) {
      await requests.write(new TextEncoder().encode(`${JSON.stringify({ ...work, count })}\n`));
      const turn = await answer() as RivalAnswer;
      if ("error" in turn) throw new Error(turn.error);
      return turn;
    },
    async [Symbol.asyncDispose]() {
      await requests.close().catch(() => {}); // its end ends the process, if it has not ended already
      await process.status;
      await complaints;
    },
  };
}
