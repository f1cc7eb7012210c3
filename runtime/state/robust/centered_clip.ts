/**
 * CenteredClip: a centre moves towards all contributions, by no more than τ towards each.
 *
 *     v ← v + Σ wᵢ·(Δᵢ − v)·min(1, τ/‖Δᵢ − v‖) / Σ wᵢ,   τ = the median distance, anew in each iteration
 *
 * Karimireddy, He and Jaggi 2021, arXiv 2012.10333, algorithm 2, from v = 0: a late peer remembers no earlier centre.
 * The median counts heads, the sum weights. Of one or two contributions it is the mean.
 *
 * Two passes (`gram.ts`, then the sum), whatever the number of iterations.
 * @module
 */
import { distancesFrom } from "./gram.ts";
import { type FoldRule, medianOf, sharesOf } from "./rule.ts";

/** With one hostile peer of eight each iteration quarters what is left of its pull: 4⁻⁸ is nothing. */
const ITERATIONS = 8;

export const centeredClip: FoldRule = {
  name: "centered-clip",
  needsGram: true,
  begin(pulls, gram) {
    const shares = sharesOf(pulls);
    let centre = shares.map(() => 0);
    for (let i = 0; i < ITERATIONS; i++) {
      const distances = distancesFrom(centre, gram!), most = medianOf(distances);
      const steps = distances.map((distance, i) => shares[i]! * (distance > most ? most / distance : 1));
      const rest = 1 - steps.reduce((sum, step) => sum + step, 0);
      centre = centre.map((share, i) => rest * share + steps[i]!);
    }
    return { kind: "sum", shares: centre };
  },
};
