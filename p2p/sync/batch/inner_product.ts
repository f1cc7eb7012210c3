/**
 * The augmented inner-product test (Bollapragada, Byrd and Nocedal 2018, arXiv 1710.11258; Lau et al. 2024, arXiv
 * 2402.11215): what matters is that the mean gradient of a batch is a direction of descent. So its variance is bounded
 * along G, Var⟨g_i, G⟩ / b ≤ θ² |G|⁴, and so that it does not become orthogonal to G, across it: ≤ ν² |G|².
 *
 * It wants the larger batch of the two. Of the variance of g_i, the part along G is Var⟨g_i, G⟩ / |G|², the rest across.
 * @module
 */
import type { InnerProductChoice } from "../types.ts";
import type { Test } from "./policy.ts";

export function innerProduct({ theta, nu }: InnerProductChoice): Test {
  return {
    kind: "test",
    name: "inner-product test",
    wanted({ variance, signal, along }) {
      if (variance === 0) return 1;
      if (signal <= 0) return Infinity;
      const across = variance - along / signal; // below 0 if the estimates do not fit: then along decides
      return Math.max(along / (theta * theta * signal * signal), across / (nu * nu * signal));
    },
  };
}
