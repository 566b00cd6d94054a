/**
 * Factors a symmetric positive definite matrix in row-major order. Returns a solver of matrix · x = right. Accurate
 * without pivoting, for rows of any scale.
 */
export function choleskySolver(matrix: Float64Array, size: number): (right: readonly number[]) => number[] {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let remainder = matrix[i * size + j]!;
      for (let k = 0; k < j; k++) remainder -= lower[i * size + k]! * lower[j * size + k]!;
      lower[i * size + j] = i === j ? Math.sqrt(remainder) : remainder / lower[j * size + j]!;
    }
  }

  return (right) => {
    const x = [...right];
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < i; k++) x[i]! -= lower[i * size + k]! * x[k]!;
      x[i]! /= lower[i * size + i]!;
    }
    for (let i = size - 1; i >= 0; i--) {
      for (let k = i + 1; k < size; k++) x[i]! -= lower[k * size + i]! * x[k]!;
      x[i]! /= lower[i * size + i]!;
    }
    return x;
  };
}
