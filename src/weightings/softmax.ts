/** Computes the softmax without overflow. */
export function softmax(values: readonly number[]): number[] {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Computes the gradient with respect to the arguments of a softmax, from its results and their gradient. */
export function softmaxSlope(shares: readonly number[], slopes: readonly number[]): number[] {
  const mean = shares.reduce((total, share, i) => total + share * slopes[i]!, 0);
  return shares.map((share, i) => share * (slopes[i]! - mean));
}
