/**
 * SVG as text: elements, attributes and what is written between them, escaped.
 * @module
 */
import { toPlainText } from "../../p2p/plain_text.ts";

/** An element, whole. */
export type Svg = string & { readonly svg: unique symbol };

export type Attributes = Readonly<Record<string, string | number>>;

/** One element; children that are elements already stand as they are, words are escaped. */
export function element(name: string, attributes: Attributes, children: readonly Svg[] | string = []): Svg {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(rounded(value))}"`).join("");
  if (typeof children === "string") return `<${name}${list}>${escaped(children)}</${name}>` as Svg;
  return (children.length === 0 ? `<${name}${list}/>` : `<${name}${list}>\n${children.join("\n")}\n</${name}>`) as Svg;
}

/** A tenth of a pixel is as fine as anybody sees. */
function rounded(value: string | number): string {
  return typeof value === "number" ? String(Math.round(value * 10) / 10 + 0) : value;
}

/** Names come from strangers too, and control characters are no XML. */
function escaped(text: string): string {
  return toPlainText(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(
    '"',
    "&quot;",
  );
}
