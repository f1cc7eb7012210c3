/**
 * Every fold rule by its name in `run.json`. A new one is a file and a line here.
 * @module
 */
import { centeredClip } from "./centered_clip.ts";
import { geometricMedian } from "./geometric_median.ts";
import { mean } from "./mean.ts";
import { medianClip } from "./median_clip.ts";
import type { FoldRule, RuleName } from "./rule.ts";
import { trimmedMean } from "./trimmed_mean.ts";

export const rules: Readonly<Record<RuleName, FoldRule>> = {
  "median-clip": medianClip,
  "trimmed-mean": trimmedMean,
  "geometric-median": geometricMedian,
  "centered-clip": centeredClip,
  "mean": mean,
};
