/**
 * Redraws the tables of `docs/benchmarks.md` and of the pages in `docs/methods/` from the JSON lines in `bench/results/`:
 * each benchmark's from the newest file that has any. A table that no file has lines of stays as it is, and is named.
 *
 * A table stands between `<!-- table <bench> -->` and `<!-- end -->`; `<!-- table <bench>: <name> -->` holds only the
 * lines of one name. Lines that say what is wanted of a figure (`target.ts`) stand in `<!-- table targets -->` alone, all
 * of them together. Where a file holds several runs of one thing, a cell shows the least and the most of them: that is
 * the noise. A column in which no line has anything is left out.
 *
 *     deno run -A bench/redraw.ts [folder of results]
 * @module
 */
import { HOST_KEYS, readResults, type RecordedLine, RESULTS, SUBJECT_KEYS, subjectOf } from "./line.ts";

const DOCS = new URL("../docs/", import.meta.url);
/** The mark of the table of targets. */
const TARGETS = "targets";
/** Keys whose figures differ in the fourth digit. */
const FINE_KEYS: ReadonlySet<string> = new Set([
  "loss",
  "perplexity",
  "target",
  "timesSameBatch",
  "timesOwnBest",
  "timesOne",
]);

if (import.meta.main) {
  const lines = newestOfEach(readResults(Deno.args[0] ?? RESULTS));
  const pages = [new URL("benchmarks.md", DOCS), ...methodPages()];
  for (const path of pages) {
    const { page, undrawn } = redraw(Deno.readTextFileSync(path), lines);
    Deno.writeTextFileSync(path, page);
    if (undrawn.length > 0) console.error(`${path.pathname}: no file of results has lines for ${undrawn.join(", ")}`);
  }
  const paths = pages.map(({ pathname }) => pathname);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", ...paths] }).spawn().status; // aligns the tables
}

function methodPages(): readonly URL[] {
  const folder = new URL("methods/", DOCS);
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => name.endsWith(".md")).sort()
    .map((name) => new URL(name, folder));
}

/** The lines of each benchmark from the last of these files that has some. */
export function newestOfEach(files: readonly (readonly RecordedLine[])[]): readonly RecordedLine[] {
  const newest = new Map(files.flatMap((lines, i) => lines.map(({ bench }) => [bench, i] as const)));
  return files.flatMap((lines, i) => lines.filter(({ bench }) => newest.get(bench) === i));
}

/** The page with every table drawn anew that has lines, and the marks of those that have none. */
export function redraw(
  page: string,
  lines: readonly RecordedLine[],
): { readonly page: string; readonly undrawn: readonly string[] } {
  const tables = /<!-- table ([\w-]+)(?:: (.+))? -->[^]*?<!-- end -->/g, undrawn: string[] = [];
  const drawn = page.replaceAll(tables, (whole, bench: string, name: string | undefined) => {
    const mark = name === undefined ? bench : `${bench}: ${name}`;
    const own = lines.filter((line) =>
      bench === TARGETS
        ? isTarget(line)
        : line.bench === bench && !isTarget(line) && (name === undefined || line.name === name)
    );
    if (own.length > 0) {
      return `<!-- table ${mark} -->\n\n${table(own, name === undefined ? [] : ["name"])}\n\n<!-- end -->`;
    }
    undrawn.push(mark);
    return whole;
  });
  return { page: drawn, undrawn };
}

function isTarget(line: RecordedLine): boolean {
  return line["wanted"] !== undefined;
}

function table(lines: readonly RecordedLine[], hidden: readonly string[]): string {
  const keys = [...new Set(lines.flatMap((line) => Object.keys(line)))]
    .filter((key) => !HOST_KEYS.has(key) && !hidden.includes(key))
    .filter((key) => lines.some((line) => (line[key] ?? "") !== ""));
  keys.sort((a, b) => Number(SUBJECT_KEYS.has(b)) - Number(SUBJECT_KEYS.has(a)));
  const rows = [...Map.groupBy(lines, subjectOf).values()].map((runs) => keys.map((key) => cell(runs, key)));
  const numeric = keys.map((key) => lines.some((line) => typeof line[key] === "number"));
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [row(keys.map(heading)), row(numeric.map((right) => right ? "--:" : "---")), ...rows.map(row)].join("\n");
}

/** `tokensPerSecond` as words. */
function heading(key: string): string {
  return key.replace(/MiB|[A-Z]/g, (part) => part === "MiB" ? " MiB" : ` ${part.toLowerCase()}`);
}

function cell(runs: readonly RecordedLine[], key: string): string {
  const values = runs.flatMap((run) => typeof run[key] === "number" ? [run[key]] : []);
  if (values.length === 0) return String(runs[0]![key] ?? "");
  const digits = FINE_KEYS.has(key) ? 4 : 3;
  const [least, most] = [figure(Math.min(...values), digits), figure(Math.max(...values), digits)];
  return least === most ? least : `${least} – ${most}`;
}

/** So many significant digits; whole where there are more before the point. */
function figure(value: number, digits: number): string {
  const shown = Number.isInteger(value)
    ? value
    : Math.abs(value) >= 100
    ? Math.round(value)
    : value.toPrecision(digits);
  return Number(shown).toLocaleString("en-GB", { maximumSignificantDigits: 21 });
}
