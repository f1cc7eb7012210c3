import { strict as assert } from "node:assert";
import { DARK, LIGHT } from "./style.ts";

// WCAG 2.2: 1.4.3 wants 4.5 for text, 1.4.11 wants 3 for what must be seen in a picture.
for (const [name, { background, text, axis, series }] of Object.entries({ LIGHT, DARK })) {
  Deno.test(`${name}: text and series stand out from the background`, () => {
    assert.ok(contrast(text, background) >= 4.5);
    for (const colour of [axis, ...series]) {
      assert.ok(contrast(colour, background) >= 3, `${colour}: ${contrast(colour, background)}`);
    }
  });
}

Deno.test("both themes have the same number of colours", () => {
  assert.equal(LIGHT.series.length, DARK.series.length);
});

/** WCAG's ratio of relative luminances. */
function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
