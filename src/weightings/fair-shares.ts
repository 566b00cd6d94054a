import { choleskySolver } from './cholesky.js';
import { computeNorms, productsWith, scaledGramian, selectGramian } from './gramian.js';

/** Keeps the solution finite if terms conflict exactly: added to the diagonal of the cosines. */
const RIDGE = 1e-8;

/**
 * Solves gramian · x = x^(-exponent) for x > 0: the minimum of ½ xᵀ·gramian·x - Σ φ(x), with φ'(x) = x^(-exponent). A
 * term without a gradient gets 0.
 * @param exponent 1 for the Nash bargaining solution (Navon et al. 2022), 1 / α for α-fairness (Ban & Ji 2024)
 */
export function solveFairShares(gramian: Float64Array, size: number, exponent: number): number[] {
  const norms = computeNorms(gramian, size);
  const selection = norms.flatMap((norm, i) => (norm > 0 ? [i] : []));
  const cosines = scaledGramian(
    selectGramian(gramian, size, selection),
    selection.map((i) => 1 / norms[i]!),
  );
  for (let i = 0; i < selection.length; i++) cosines[i * selection.length + i]! += RIDGE;
  // Each term alone has the solution norm^(-2 / (1 + exponent)). In units of it, all terms start at 1.
  const alone = selection.map((i) => norms[i]! ** (-2 / (1 + exponent)));
  const lengths = alone.map((share, index) => share * norms[selection[index]!]!);
  const solution = minimize(scaledGramian(cosines, lengths), lengths, exponent);
  const shares = new Array<number>(size).fill(0);
  selection.forEach((i, index) => (shares[i] = alone[index]! * solution[index]!));
  return shares;
}

/**
 * Minimizes ½ xᵀ·matrix·x - Σ lengths² · φ(x) from x = 1 by Newton's method. A line search keeps x > 0 and converges
 * from any start, because the function is convex.
 */
function minimize(matrix: Float64Array, lengths: readonly number[], exponent: number): number[] {
  const size = lengths.length;
  const utility = (x: number): number => (exponent === 1 ? Math.log(x) : (x ** (1 - exponent) - 1) / (1 - exponent));
  const cost = (x: readonly number[]): number =>
    productsWith(matrix, x).reduce(
      (sum, product, i) => sum + 0.5 * product * x[i]! - lengths[i]! ** 2 * utility(x[i]!),
      0,
    );
  let x = lengths.map(() => 1);
  for (let round = 0; round < 200; round++) {
    const slopes = productsWith(matrix, x).map((product, i) => product - lengths[i]! ** 2 * x[i]! ** -exponent);
    const curvature = matrix.slice();
    for (let i = 0; i < size; i++) curvature[i * size + i]! += exponent * lengths[i]! ** 2 * x[i]! ** (-exponent - 1);
    const direction = choleskySolver(curvature, size)(slopes).map((value) => -value);
    const change = Math.max(0, ...direction.map((value, i) => Math.abs(value) / x[i]!));
    const decrease = slopes.reduce((sum, slope, i) => sum + slope * direction[i]!, 0);
    // Shares stay positive; near the minimum, rounding hides the decrease of the cost.
    let step = Math.min(1, ...direction.map((value, i) => (value < 0 ? (-0.9 * x[i]!) / value : 1)));
    const before = cost(x);
    const moved = (): number[] => x.map((value, i) => value + step * direction[i]!);
    while (change > 1e-4 && step > 1e-10 && !(cost(moved()) <= before + 1e-4 * step * decrease)) step /= 2;
    x = moved();
    if (change < 1e-10) break;
  }
  return x;
}
