/**
 * Mutations of plain data: a valid structure with absurd values, or one that is a little wrong.
 * @module
 */
import type { Chance } from "../chance.ts";
import { EDGES } from "./bytes.ts";

/** Many times deeper than any stack bears. */
const DEEPEST = 4_000;
const MOST_ITEMS = 3_000;

/** A copy of the value in which one to three places are something else. Values are plain data and bytes. */
export function absurd(value: unknown, chance: Chance, other: unknown = value): unknown {
  let result = value;
  for (let i = chance.pick([1, 1, 1, 2, 3]); i > 0; i--) result = changeAt(result, chance, other);
  return result;
}

/**
 * A copy that any schema of types and ranges lets through, as far as that is possible: numbers stay whole and positive,
 * texts are texts from elsewhere in the value, lists get shorter, longer or another order.
 */
export function plausible(value: unknown, chance: Chance): unknown {
  const texts: string[] = [];
  collectTexts(value, texts);
  let result = value;
  for (let i = chance.pick([1, 1, 2, 3, 5]); i > 0; i--) result = swapAt(result, chance, texts);
  return result;
}

function swapAt(value: unknown, chance: Chance, texts: readonly string[]): unknown {
  if (typeof value === "number") return chance.pick([...EDGES, value + 1, Math.max(0, value - 1), 2 * value]);
  if (typeof value === "string") return chance.pick(texts.filter(({ length }) => length === value.length));
  if (typeof value === "boolean") return !value;
  if (isArray(value)) {
    if (value.length === 0) return value;
    const at = chance.whole(0, value.length - 1);
    return chance.pick<() => unknown>([
      () => value.with(at, swapAt(value[at], chance, texts)),
      () => value.with(at, swapAt(value[at], chance, texts)),
      () => value.toSpliced(at, 1),
      () => [...value, value[at]],
      () => [...value, swapAt(value[at], chance, texts)],
      () => value.toReversed(),
    ])();
  }
  if (!isTable(value)) return value;
  const keys = Object.keys(value).filter((key) => key !== "kind" && key !== "run");
  if (keys.length === 0) return value;
  const key = chance.pick(keys);
  return { ...value, [key]: swapAt(value[key], chance, texts) };
}

function collectTexts(value: unknown, texts: string[]): void {
  if (typeof value === "string") texts.push(value);
  else if (isArray(value)) { for (const item of value) collectTexts(item, texts); }
  else if (isTable(value)) { for (const item of Object.values(value)) collectTexts(item, texts); }
}

/** Walks down to a place that chance picks, and changes it. */
function changeAt(value: unknown, chance: Chance, other: unknown): unknown {
  if (Array.isArray(value) && value.length > 0 && chance.happens(0.8)) {
    const at = chance.whole(0, value.length - 1);
    return value.map((item, i) => i === at ? changeAt(item, chance, isArray(other) ? other[i] : other) : item);
  }
  if (isTable(value) && chance.happens(0.9)) {
    const keys = Object.keys(value);
    if (keys.length === 0) return changed(value, chance, other);
    const key = chance.pick(keys), beside = isTable(other) && key in other ? other[key] : other;
    return { ...value, [key]: changeAt(value[key], chance, beside) };
  }
  return changed(value, chance, other);
}

function changed(value: unknown, chance: Chance, other: unknown): unknown {
  // Of its own kind rather than of another: what is refused at the first look finds nothing.
  if (typeof value === "number" && chance.happens(0.8)) return anyNumber(value, chance);
  if (typeof value === "string" && chance.happens(0.7)) return anyText(value, chance, other);
  if (isArray(value) && chance.happens(0.9)) return anyArray(value, chance);
  if (isTable(value) && chance.happens(0.9)) return anyTable(value, chance, other);
  return chance.pick([
    ...[null, true, false, 0, -1, 1.5, "", "x", [], {}, other, [value], { kind: value }, new Uint8Array(64)],
    nested(chance),
  ]);
}

function anyNumber(value: number, chance: Chance): number {
  const edge = chance.pick(EDGES);
  return chance.pick([
    ...[edge, edge, edge, -edge, edge + 0.5, value + 1, value - 1, -value, -0, 2 * value, value / 3],
    ...[1e17, 1e18, 1e19, 1e300, 5e-324, Number.MAX_VALUE],
  ]);
}

function anyText(value: string, chance: Chance, other: unknown): unknown {
  const at = chance.whole(0, value.length);
  return chance.pick([
    ...["", value.slice(0, at), value + value, value.toUpperCase(), ` ${value}`, `${value}\n`, "\u0000", "\ud800"],
    ...[
      "f".repeat(value.length),
      "é".repeat(value.length),
      "x".repeat(chance.pick([80, 81, 300, chance.happens(0.1) ? MOST_ITEMS : 301])),
    ],
    ...["__proto__", "constructor", typeof other === "string" ? other : value],
  ]);
}

function anyArray(value: readonly unknown[], chance: Chance): readonly unknown[] {
  const item = value.length > 0 ? chance.pick(value) : chance.pick([0, "", null, {}]);
  return chance.pick([
    () => [],
    () => value.toReversed(),
    () => [...value, item],
    () => value.slice(1),
    () => Array<unknown>(chance.happens(0.1) ? chance.pick([255, 256, 257, 2048, 2049]) : 3).fill(item),
    () => Array<unknown>(chance.happens(0.1) ? MOST_ITEMS : 20).fill(chance.pick([0, null, "", []])),
    () => [...value, ...value],
  ])();
}

function anyTable(value: Table, chance: Chance, other: unknown): unknown {
  const keys = Object.keys(value), key = chance.pick([...keys, "x"]);
  const { [key]: _, ...rest } = value;
  return chance.pick([
    () => rest,
    () => ({ ...value, [chance.pick(["x", "kind", "toString", "length"])]: value }),
    () => Object.fromEntries(Array.from({ length: chance.happens(0.1) ? MOST_ITEMS : 20 }, (_, i) => [`k${i}`, 0])),
    () => ({ ...value, [key]: value[chance.pick([...keys, "x"])] ?? null }),
    () => isTable(other) ? { ...value, ...other } : value,
    () => ({}),
  ])();
}

function nested(chance: Chance): unknown {
  const inTables = chance.happens(0.5);
  let value: unknown = 0;
  for (let depth = chance.pick([4, 4, 4, 4, 4, 100, DEEPEST]); depth > 0; depth--) {
    value = inTables ? { x: value } : [value];
  }
  return value;
}

type Table = Readonly<Record<string, unknown>>;

function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
