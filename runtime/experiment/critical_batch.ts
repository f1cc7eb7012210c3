/**
 * The critical batch size: from steps to a target loss at several batch sizes to one number, and how far to trust it.
 *
 *     steps(B) = a + b/B        a: steps that no batch can save, b: sequences that no batch can save
 *     B*       = b/(5a) + 1.2·B_opt
 *
 * B* is where steps exceed by 20 % what perfect scaling from B_opt, the reference batch, would need:
 * a + b/B* = 1.2 · (a + b/B_opt) · B_opt/B*. Zhang et al. 2024, arXiv 2410.21676, §2 and appendix; the fit is least
 * squares of ln steps, which gives their published a and b from their published steps (unit tests).
 *
 * Pure. Batches are in sequences.
 * @module
 */

/** What one batch size needed. */
export interface StepsAtBatch {
  readonly batch: number;
  readonly steps: number;
}

export interface StepsFit {
  /** Steps. */
  readonly a: number;
  /** Sequences. */
  readonly b: number;
  /** One for each point, in their order: steps by the fit ÷ steps measured − 1. */
  readonly residuals: readonly number[];
}

export interface CriticalBatch extends StepsFit {
  /** B*, in sequences. */
  readonly batch: number;
  /** Why this number is not to be trusted; empty if nothing speaks against it. */
  readonly doubts: readonly string[];
}

/** Points below which two parameters say little. */
const LEAST_POINTS = 4;
/** The five published fits have residuals of at most 9.1 %. */
const LARGEST_RESIDUAL = 0.15;
/** A reference that wastes more than this is no start for an extrapolation of perfect scaling. */
const LARGEST_REFERENCE_WASTE = 0.2;
/** Gauss–Newton from the linear solution: three or four rounds are enough for any point set that the model fits. */
const MOST_ROUNDS = 50, SETTLED = 1e-12;

/** B* of a known fit. */
export function criticalBatch({ a, b }: Pick<StepsFit, "a" | "b">, reference: number): number {
  return b / (5 * a) + 1.2 * reference;
}

/**
 * Fits steps = a + b/B and finds B*.
 * @returns Null if fewer than two batch sizes reached the target: there is nothing to fit.
 */
export function measureCriticalBatch(
  points: readonly StepsAtBatch[],
  { reference }: { readonly reference: number },
): CriticalBatch | null {
  const fit = fitSteps(points);
  return fit && { ...fit, batch: criticalBatch(fit, reference), doubts: doubtsOf(fit, points, reference) };
}

/**
 * Least squares of ln(a + b/B) − ln steps, by Gauss–Newton from the solution of the linear problem in relative errors.
 * Where the best a is not positive the linear solution is returned as it is: it has no logarithm, and no meaning either.
 */
export function fitSteps(points: readonly StepsAtBatch[]): StepsFit | null {
  if (new Set(points.map(({ batch }) => batch)).size < 2) return null;
  let [a, b] = leastSquares(points.map(({ batch, steps }) => ({ u: 1 / steps, v: 1 / (batch * steps), y: 1 })));
  for (let round = 0; round < MOST_ROUNDS && a > 0 && b > 0; round++) {
    const [da, db] = leastSquares(points.map(({ batch, steps }) => {
      const wanted = a + b / batch;
      return { u: 1 / wanted, v: 1 / (batch * wanted), y: Math.log(steps / wanted) };
    }));
    if (a + da <= 0 || b + db <= 0) break;
    [a, b] = [a + da, b + db];
    if (Math.abs(da) < SETTLED * a && Math.abs(db) < SETTLED * b) break;
  }
  return { a, b, residuals: points.map(({ batch, steps }) => (a + b / batch) / steps - 1) };
}

function doubtsOf({ a, b, residuals }: StepsFit, points: readonly StepsAtBatch[], reference: number): string[] {
  const doubts: string[] = [], percent = (share: number) => `${Math.round(100 * share)} %`;
  if (points.length < LEAST_POINTS) {
    doubts.push(
      `only ${points.length} batch sizes reached the target and ${LEAST_POINTS} are needed: add to --batches`,
    );
  }
  if (!(a > 0) || !(b > 0)) {
    doubts.push(
      a > 0
        ? "steps do not fall as the batch grows (b ≤ 0): the rate does not suit these batches; try --rates"
        : "steps fall as fast as the batch grows, even at the largest (a ≤ 0): add larger batches",
    );
    return doubts; // whatever else could be said of such a fit means nothing
  }
  const largest = residuals.reduce(
    (most, residual, i) => Math.abs(residual) > Math.abs(residuals[most]!) ? i : most,
    0,
  );
  if (Math.abs(residuals[largest]!) > LARGEST_RESIDUAL) {
    doubts.push(
      `the fit misses batch ${points[largest]!.batch} by ${percent(Math.abs(residuals[largest]!))}, more than ` +
        `${percent(LARGEST_RESIDUAL)}: the rate does not suit every batch (try --rates), or the target is too early`,
    );
  }
  const waste = a * reference / b;
  if (waste > LARGEST_REFERENCE_WASTE) {
    doubts.push(
      `the reference batch of ${reference} is itself ${
        percent(waste)
      } beyond perfect scaling: give a smaller --reference`,
    );
  }
  if (Math.max(...points.map(({ batch }) => batch)) < criticalBatch({ a, b }, reference)) {
    doubts.push("B* lies beyond the largest batch that was tried: add larger ones to --batches");
  }
  return doubts;
}

/** Solves min Σ (p·u + q·v − y)² for p and q. */
function leastSquares(rows: readonly { readonly u: number; readonly v: number; readonly y: number }[]) {
  let uu = 0, uv = 0, vv = 0, uy = 0, vy = 0;
  for (const { u, v, y } of rows) {
    uu += u * u;
    uv += u * v;
    vv += v * v;
    uy += u * y;
    vy += v * y;
  }
  const determinant = uu * vv - uv * uv;
  return [(uy * vv - vy * uv) / determinant, (vy * uu - uy * uv) / determinant] as const;
}

/** y = scale · x^exponent. */
export interface PowerLaw {
  readonly scale: number;
  readonly exponent: number;
}

/** Least squares of ln y over ln x; null with fewer than two different x, or where one of them has no logarithm. */
export function fitPowerLaw(points: readonly { readonly x: number; readonly y: number }[]): PowerLaw | null {
  if (new Set(points.map(({ x }) => x)).size < 2 || points.some(({ x, y }) => !(x > 0) || !(y > 0))) return null;
  const [lnScale, exponent] = leastSquares(points.map(({ x, y }) => ({ u: 1, v: Math.log(x), y: Math.log(y) })));
  return { scale: Math.exp(lnScale), exponent };
}
