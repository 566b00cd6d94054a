/** An eigenvalue of a symmetric matrix and its eigenvector of norm 1. */
export interface Eigen {
  readonly value: number;
  readonly vector: readonly number[];
}

const ROUNDING = 1e-17;
/** Below this, doubles are subnormal and lose digits. */
const SMALLEST = Number.MIN_VALUE / Number.EPSILON;

/**
 * Computes the eigenvalues and eigenvectors of a symmetric row-major matrix, largest eigenvalue first: cyclic Jacobi
 * rotations (Golub & Van Loan 2013, algorithm 8.5.3).
 */
export function symmetricEigen(matrix: Float64Array, size: number): Eigen[] {
  const a = matrix.slice();
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;

  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const [pp, qq, pq] = [a[p * size + p]!, a[q * size + q]!, a[p * size + q]!];
        // Relative to both diagonal elements, so that small eigenvalues are as accurate as large ones.
        if (Math.abs(pq) <= ROUNDING * Math.sqrt(Math.abs(pp)) * Math.sqrt(Math.abs(qq)) || Math.abs(pq) < SMALLEST)
          continue;
        rotated = true;
        const tau = (qq - pp) / (2 * pq);
        const tangent = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.hypot(1, tau));
        const cosine = 1 / Math.hypot(1, tangent);
        const sine = tangent * cosine;
        rotateColumns(a, size, p, q, cosine, sine);
        rotateRows(a, size, p, q, cosine, sine);
        a[p * size + q] = a[q * size + p] = 0;
        rotateColumns(vectors, size, p, q, cosine, sine);
      }
    }
    if (!rotated) break;
  }

  const eigen = Array.from({ length: size }, (_, i) => ({
    value: a[i * size + i]!,
    vector: Array.from({ length: size }, (__, row) => vectors[row * size + i]!),
  }));
  return eigen.sort((one, other) => other.value - one.value);
}

function rotateColumns(matrix: Float64Array, size: number, p: number, q: number, cosine: number, sine: number): void {
  for (let i = 0; i < size; i++) rotate(matrix, i * size + p, i * size + q, cosine, sine);
}

function rotateRows(matrix: Float64Array, size: number, p: number, q: number, cosine: number, sine: number): void {
  for (let i = 0; i < size; i++) rotate(matrix, p * size + i, q * size + i, cosine, sine);
}

function rotate(matrix: Float64Array, one: number, other: number, cosine: number, sine: number): void {
  const [x, y] = [matrix[one]!, matrix[other]!];
  matrix[one] = cosine * x - sine * y;
  matrix[other] = sine * x + cosine * y;
}
