/**
 * How a run chooses its global batch, as data: what `batching` of `run.json` says. What the policies do is beside this
 * (`policy.ts`). Quantities are in sequences unless they say tokens.
 * @module
 */

/** How the global batch of a run grows: by a policy, within limits. */
export type Batching = BatchLimits & PolicyChoice;

export interface BatchLimits {
  /** No larger request; null: only the ceiling limits it. */
  readonly most: number | null;
  /** In place of the critical batch that the law gives (`batch/ceiling.ts`); null: the law. */
  readonly ceilingTokens: number | null;
}

export type PolicyChoice =
  | { readonly policy: "constant" }
  | WarmupChoice
  | NormTestChoice
  | InnerProductChoice
  | AdlocoChoice;

export interface WarmupChoice {
  readonly policy: "warmup";
  readonly to: number;
  /** Tokens of the run after which it is there. */
  readonly tokens: number;
  readonly shape: "linear" | "doubling";
}

export interface NormTestChoice {
  readonly policy: "norm-test";
  readonly eta: number;
  /** `halves`: across micro-batches, within each peer (FSDP-Norm); `peers`: across peers (DDP-Norm). */
  readonly statistic: "halves" | "peers";
  readonly estimator: "debiased" | "plug-in";
}

export interface InnerProductChoice {
  readonly policy: "inner-product";
  readonly theta: number;
  readonly nu: number;
}

/** Several models at once that become one by and by (`../lineages.ts`), each with a batch that a test lets grow. */
export interface AdlocoChoice {
  readonly policy: "adloco";
  /** Models to begin with. */
  readonly lineages: number;
  /** Updates of every lineage after which two become one; null: never. */
  readonly mergeEvery: number | null;
  readonly test: "norm" | "inner-product" | "none";
  /** `published`: the test of the authors' code, asked after every round and without a bound on growth. */
  readonly variant: "corrected" | "published";
  readonly eta: number;
  readonly theta: number;
  readonly nu: number;
}
