/**
 * A sweep on disk: JSON lines, the first what was asked, every other the result of a trial.
 *
 *     {"kind":"sweep","version":1,"question":{…}}
 *     {"kind":"result","trial":"…","outcome":"reached",…}
 *
 * Trials follow from the question and the results, so nothing else need be kept; the trial that was interrupted lies
 * beside it (`trial_checkpoint.ts`). The file is written whole and replaced, so it is never half a line.
 * @module
 */
import { z } from "zod";
import { type Folder, readText } from "../folder.ts";
import { type TrialResult, trialResultSchema } from "./trial.ts";

/** Of this format. */
const VERSION = 1;

/** What was asked, as plain data: it must survive JSON. */
export type Question = Readonly<Record<string, unknown>>;

/** A sweep's file that cannot be gone on with. */
export class SweepError extends Error {
  override readonly name = "SweepError";
}

const headSchema = z.strictObject({
  kind: z.literal("sweep"),
  version: z.number(),
  question: z.record(z.string(), z.unknown()),
});
const resultSchema = z.strictObject({ kind: z.literal("result"), ...trialResultSchema.shape });

/** The results of one question, kept in a file. */
export class SweepFile {
  readonly folder: Folder;
  readonly #name: string;
  readonly #question: Question;
  readonly #results: Map<string, TrialResult>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    place: { readonly folder: Folder; readonly name: string },
    { question, results }: Read,
  ) {
    this.folder = place.folder;
    this.#name = place.name;
    this.#question = question;
    this.#results = results;
  }

  /**
   * Opens a sweep, or begins it if there is no file.
   * @throws {SweepError} if the file is damaged, of a newer version, or answers another question.
   */
  static async open(folder: Folder, { name, question }: {
    readonly name: string;
    readonly question: Question;
  }): Promise<SweepFile> {
    const path = `${folder.source}/${name}`, file = await folder.open(name), asked = plain(question);
    if (file === null) {
      const begun = new SweepFile({ folder, name }, { question: asked, results: new Map() });
      await begun.#write();
      return begun;
    }
    const read = readSweep(readText(file), path), differences = differencesOf(read.question, asked);
    if (differences.length === 0) return new SweepFile({ folder, name }, read);
    throw new SweepError(
      `Cannot go on with ${path}: it answers another question.\n  ${differences.join("\n  ")}\n` +
        "Ask as before, or give this question its own folder with --folder",
    );
  }

  /** By trial. */
  get results(): ReadonlyMap<string, TrialResult> {
    return this.#results;
  }

  /** Keeps a result; it is on disk when this resolves. Several may be under way: the file is written for one at a time. */
  async add(result: TrialResult): Promise<void> {
    this.#results.set(result.trial, result);
    const before = this.#writing;
    this.#writing = (async () => {
      await before.catch(() => {}); // was told to whoever added it
      await this.#write();
    })();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const lines = [
      { kind: "sweep", version: VERSION, question: this.#question },
      ...[...this.#results.values()].map((result) => ({ kind: "result", ...result })),
    ];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    await this.folder.write(this.#name, [new TextEncoder().encode(text)]);
  }
}

interface Read {
  readonly question: Question;
  readonly results: Map<string, TrialResult>;
}

/**
 * Reads a sweep's file.
 * @throws {SweepError} that names the line and what is wrong with it.
 */
export function readSweep(text: string, source: string): Read {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const head = headSchema.safeParse(parseJson(lines[0] ?? ""));
  if (!head.success) {
    throw new SweepError(
      `Cannot read ${source}: its first line is not that of a sweep. Choose another --folder, or remove the file`,
    );
  }
  if (head.data.version !== VERSION) {
    throw new SweepError(
      `Cannot read ${source}: it is of version ${head.data.version} and this program reads ${VERSION}. Update it, or ` +
        "choose another --folder",
    );
  }
  const results = new Map<string, TrialResult>();
  for (const [i, line] of lines.slice(1).entries()) {
    const parsed = resultSchema.safeParse(parseJson(line));
    if (!parsed.success) {
      throw new SweepError(
        `Cannot read ${source}: line ${i + 2} is damaged (${parsed.error.issues[0]!.message}). Remove that line: its ` +
          "trial is then done again",
      );
    }
    const { kind: _, ...result } = parsed.data;
    results.set(result.trial, result);
  }
  return { question: head.data.question, results };
}

/** Undefined if it is no JSON: no schema takes that. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** As it will be read. */
function plain(question: Question): Question {
  return JSON.parse(JSON.stringify(question));
}

/** Where two values differ, a line each, a few at most. */
function differencesOf(found: unknown, asked: unknown, path = ""): string[] {
  if (isRecord(found) && isRecord(asked)) {
    const keys = [...new Set([...Object.keys(found), ...Object.keys(asked)])].sort();
    return keys.flatMap((key) => differencesOf(found[key], asked[key], path === "" ? key : `${path}.${key}`)).slice(
      0,
      8,
    );
  }
  const [there, here] = [found, asked].map((value) => JSON.stringify(value) ?? "nothing");
  return there === here ? [] : [`${path}: found ${there!.slice(0, 80)}, asked ${here!.slice(0, 80)}`];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
