/**
 * Numbers as people read them. Pure; nothing here writes.
 * @module
 */

/** 1234567 → "1,234,567". */
export function grouped(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 412345 → "412 k", 1060000 → "1.06 M". Three significant digits above a thousand. */
export function counted(value: number): string {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (value >= size * 0.9995) return `${significant(value / size)} ${unit}`;
  }
  return String(Math.round(value));
}

/** 61000000 → "61.0 MB"; decimal units, as disks and networks are sold. */
export function bytes(value: number): string {
  return value < 1000 ? `${Math.round(value)} B` : `${counted(value)}B`;
}

/** 102000 → "1:42", 3723000 → "1:02:03". */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** 0.968 → "97 %". */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A loss in nats, or a dash before there is one. */
export function nats(loss: number | null | undefined): string {
  return loss === null || loss === undefined || !Number.isFinite(loss) ? "–" : loss.toFixed(2);
}

/** The first digits of a digest, enough to compare by eye. */
export function short(digest: string): string {
  return `${digest.slice(0, 8)}…`;
}

/** The last letters of a peer id: all ids begin alike. */
export function shortPeer(peer: string): string {
  return `…${peer.slice(-8)}`;
}

const BARS = "▁▂▃▄▅▆▇█";

/** A line of bars, at most `width` of them, each the mean of its share of `values`; constant values give low bars. */
export function sparkline(values: readonly number[], width = 24): string {
  const columns = Math.min(width, values.length);
  if (columns === 0) return "";
  const means = Array.from({ length: columns }, (_, column) => {
    const part = values.slice(
      Math.floor(column * values.length / columns),
      Math.floor((column + 1) * values.length / columns),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const low = Math.min(...means), high = Math.max(...means);
  const step = high > low ? (BARS.length - 1) / (high - low) : 0;
  return means.map((mean) => BARS[Math.round((mean - low) * step)]).join("");
}

/**
 * Rows as aligned columns; a column is right-aligned if its heading starts with a space.
 * @returns One line for the headings and one for each row.
 */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const names = headings.map((heading) => heading.trim());
  const widths = names.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    "  " + cells.map((cell, i) => headings[i]!.startsWith(" ") ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))
      .join("  ").trimEnd();
  return [line(names), ...rows.map(line)];
}

function significant(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
