/**
 * Runs many trials in a few processes side by side, and keeps each as a line of `bench/results/trials/` when it is done.
 * One that is kept is not run again: whoever changed how peers learn deletes the file.
 * @module
 */
import { join } from "node:path";
import { RESULTS } from "../line.ts";
import { readLines } from "../read_lines.ts";
import { type Finished, keyOf, type Trial } from "./trial.ts";

const TRIALS = join(RESULTS, "trials");

export interface RunTrialsOptions {
  /** Whose file they are kept in. */
  readonly bench: string;
  readonly folder?: string;
  /** Processes side by side. */
  readonly jobs: number;
  onFinished(finished: Finished, leftCount: number): void;
}

/** Gives what is kept of each trial, in the order of the trials, once all are done. */
export async function runTrials(trials: readonly Trial[], options: RunTrialsOptions): Promise<readonly Finished[]> {
  const { bench, folder = TRIALS } = options, path = join(folder, `${bench}.jsonl`);
  const kept = new Map(readTrials(bench, folder).map((finished) => [finished.key, finished]));
  const left = [...new Map(trials.map((trial) => [keyOf(trial), trial])).entries()]
    .flatMap(([key, trial]) => kept.has(key) ? [] : [trial]);
  const worker = async () => {
    if (left.length === 0) return;
    await using child = startTrialProcess();
    for (let trial = left.shift(); trial !== undefined; trial = left.shift()) {
      const finished = await child.run(trial);
      kept.set(finished.key, finished);
      await Deno.writeTextFile(path, `${JSON.stringify(finished)}\n`, { append: true });
      options.onFinished(finished, left.length);
    }
  };
  await Deno.mkdir(folder, { recursive: true });
  await Promise.all(Array.from({ length: options.jobs }, worker));
  return trials.map((trial) => kept.get(keyOf(trial))!);
}

/** What is kept of a benchmark's trials, whatever their settings; nothing, if there is no file. */
export function readTrials(bench: string, folder = TRIALS): readonly Finished[] {
  try {
    return Deno.readTextFileSync(join(folder, `${bench}.jsonl`)).split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Finished);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

interface TrialProcess extends AsyncDisposable {
  run(trial: Trial): Promise<Finished>;
}

function startTrialProcess(): TrialProcess {
  const program = join(import.meta.dirname!, "trial_process.ts");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = readLines(child.stdout), writer = child.stdin.getWriter();
  return {
    async run(trial) {
      await writer.write(new TextEncoder().encode(`${JSON.stringify(trial)}\n`));
      const { value } = await lines.next();
      if (value === undefined) throw new Error(`The process of the trial '${trial.name}' ended in the middle of it`);
      return JSON.parse(value) as Finished;
    },
    async [Symbol.asyncDispose]() {
      await writer.close().catch(() => {}); // it may have ended already
      await child.status;
    },
  };
}
