/**
 * What a batch policy is, and all there are. A policy says how large a global batch it wants; what it gets, and when it is
 * asked, is the same for all of them (`request.ts`).
 *
 * Every peer must compute the same bits (law 3): + − × ÷ and comparisons only. Engines differ in `Math.pow` and its kin.
 * @module
 */
import { constant } from "./constant.ts";
import { innerProduct } from "./inner_product.ts";
import { normTest } from "./gradient_norm.ts";
import type { Noise, PolicyChoice } from "../types.ts";
import { warmup } from "./warmup.ts";

/** Goes by the tokens of the run alone; with more of them it never wants less. */
export interface Schedule {
  readonly kind: "schedule";
  /** For people. */
  readonly name: string;
  /** @param first The batch that the run begins with. */
  wanted(tokens: number, first: number): number;
}

/** Goes by what was measured of the gradients' noise. */
export interface Test {
  readonly kind: "test";
  readonly name: string;
  /** @param request The global batch so far. Gives Infinity if no batch is large enough. */
  wanted(noise: Noise, request: number): number;
}

export type BatchPolicy = Schedule | Test;

export function policyOf(choice: PolicyChoice): BatchPolicy {
  switch (choice.policy) {
    case "constant":
      return constant;
    case "warmup":
      return warmup(choice);
    case "norm-test":
      return normTest(choice);
    case "inner-product":
      return innerProduct(choice);
    default:
      throw new RangeError(`Cannot choose a batch: no policy ${JSON.stringify(choice satisfies never)} is known`);
  }
}
