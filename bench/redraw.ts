/**
 * Redraws the tables of `docs/benchmarks.md` from the JSON lines in `bench/results/`: each benchmark's from the newest
 * file that has any.
 *
 * A table stands between `<!-- table <bench> -->` and `<!-- end -->`; `<!-- table <bench>: <name> -->` holds only the
 * lines of one name. Where a file holds several runs of one thing, a
 * cell shows the least and the most of them: that is the noise.
 *
 *     deno run -A bench/redraw.ts
 * @module
 */
import { HOST_KEYS, parseLines, type RecordedLine, SUBJECT_KEYS, subjectOf } from "./line.ts";

const RESULTS = new URL("results/", import.meta.url), PAGE = new URL("../docs/benchmarks.md", import.meta.url);

if (import.meta.main) {
  const files = Array.from(Deno.readDirSync(RESULTS), ({ name }) => name).filter((name) => /\.jsonl$/.test(name))
    .sort();
  const lines = newestOfEach(files.map((name) => parseLines(Deno.readTextFileSync(new URL(name, RESULTS)))));
  Deno.writeTextFileSync(PAGE, redraw(Deno.readTextFileSync(PAGE), lines));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE.pathname] }).spawn().status; // aligns the tables
}

/** The lines of each benchmark from the last of these files that has some. */
export function newestOfEach(files: readonly (readonly RecordedLine[])[]): readonly RecordedLine[] {
  const newest = new Map(files.flatMap((lines, i) => lines.map(({ bench }) => [bench, i] as const)));
  return files.flatMap((lines, i) => lines.filter(({ bench }) => newest.get(bench) === i));
}

/** The page with every table drawn anew. @throws {Error} if a table has no lines. */
export function redraw(page: string, lines: readonly RecordedLine[]): string {
  const tables = /<!-- table (\w+)(?:: (.+))? -->[^]*?<!-- end -->/g;
  return page.replaceAll(tables, (_, bench: string, name: string | undefined) => {
    const mark = name === undefined ? bench : `${bench}: ${name}`;
    const own = lines.filter((line) => line.bench === bench && (name === undefined || line.name === name));
    if (own.length === 0) throw new Error(`Cannot draw the table '${mark}': the results have no line of it`);
    return `<!-- table ${mark} -->\n\n${table(own, name === undefined ? [] : ["name"])}\n\n<!-- end -->`;
  });
}

function table(lines: readonly RecordedLine[], hidden: readonly string[]): string {
  const keys = [...new Set(lines.flatMap((line) => Object.keys(line)))]
    .filter((key) => !HOST_KEYS.has(key) && !hidden.includes(key));
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
  const [least, most] = [figure(Math.min(...values)), figure(Math.max(...values))];
  return least === most ? least : `${least} – ${most}`;
}

/** Three significant digits; whole where there are more before the point. */
function figure(value: number): string {
  const digits = Number.isInteger(value) ? value : Math.abs(value) >= 100 ? Math.round(value) : value.toPrecision(3);
  return Number(digits).toLocaleString("en-GB");
}
