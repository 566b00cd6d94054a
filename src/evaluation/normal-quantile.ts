/**
 * Computes the quantile of the standard normal distribution to within a few ulps, by Newton's method from below. The
 * distribution function is the series 1/2 + φ(x) Σ x^(2k+1) / (1·3·…·(2k+1)) (Abramowitz & Stegun 1964, 26.2.11).
 * @param p from 0.5 to 1 - 1e-15; 1 gives Infinity
 */
export function normalQuantile(p: number): number {
  if (p >= 1) return Infinity;
  let x = 0;
  for (let i = 0; i < 100; i++) {
    const step = (p - distribution(x)) / density(x);
    x += step;
    if (Math.abs(step) <= 1e-14 * Math.abs(x)) break;
  }
  return x;
}

const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

function distribution(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 1; Math.abs(term) > 1e-18 * Math.abs(sum); k++) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + density(x) * sum;
}
