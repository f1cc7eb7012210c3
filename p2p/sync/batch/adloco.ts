/**
 * How the batch of one lineage grows in a run by AdLoCo (Kutuzov et al. 2025, arXiv 2508.18182): by the norm test or the
 * augmented inner-product test, on the gradients of that lineage alone. What its lineages are is in `../lineages.ts`.
 *
 * `corrected` is each test as this program has it everywhere: |G|² debiased, asked rarely, growth bounded. `published` is
 * what the authors' code does: |ḡ|² in place of |G|², ν in both bounds of the augmented test, asked after every round, and
 * given what it wants at once.
 * @module
 */
import type { AdlocoChoice } from "./batching.ts";
import { constant } from "./constant.ts";
import { normTest, plugIn } from "./gradient_norm.ts";
import { innerProduct } from "./inner_product.ts";
import type { BatchPolicy, Test } from "./policy.ts";

export function adloco({ test, variant, eta, theta, nu }: AdlocoChoice): BatchPolicy {
  if (test === "none") return constant;
  const isPublished = variant === "published";
  if (test === "norm") {
    const estimator = isPublished ? "plug-in" : "debiased";
    const found = normTest({ policy: "norm-test", eta, statistic: "halves", estimator });
    return isPublished ? published(found) : found;
  }
  if (!isPublished) return innerProduct({ policy: "inner-product", theta, nu });
  const plain = innerProduct({ policy: "inner-product", theta: nu, nu });
  return published({
    ...plain,
    wanted: (noise, request) => plain.wanted({ ...noise, signal: plugIn(noise, request) }, request),
  });
}

function published(test: Test): Test {
  return { ...test, name: `published ${test.name}`, isUnbounded: true };
}
