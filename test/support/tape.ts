// Minimal reverse-mode differentiation in float64: matrices, a few primitives, and their derivatives.

/** A matrix and the gradient of the minimized value. A single row or column broadcasts. */
export interface Node {
  readonly rows: number;
  readonly width: number;
  readonly y: Float64Array;
  readonly d: Float64Array;
}

/** Primitives that record their backward pass. */
export interface Tape {
  node(rows: number, width: number, y: ArrayLike<number>, back?: (d: Float64Array) => void): Node;
  /** f of each element, with its derivative. */
  map(x: Node, f: (x: number) => number, slope: (x: number) => number): Node;
  /** f of two elements at the same position, with its derivatives. */
  zip(
    a: Node,
    b: Node,
    f: (a: number, b: number) => number,
    slopes: (a: number, b: number) => readonly [number, number],
  ): Node;
  add(a: Node, b: Node): Node;
  multiply(a: Node, b: Node): Node;
  product(x: Node, weight: Node): Node;
  /** Sums of rows or columns. */
  sum(x: Node, over: 'columns' | 'rows'): Node;
  columns(x: Node, begin: number, width: number): Node;
  /** Runs the backward pass. */
  back(): void;
}

export function createTape(): Tape {
  const steps: (() => void)[] = [];
  const at = ({ rows, width }: Node, r: number, c: number): number =>
    (rows === 1 ? 0 : r) * width + (width === 1 ? 0 : c);

  const node: Tape['node'] = (rows, width, y, back) => {
    const made = {
      rows,
      width,
      y: Float64Array.from({ length: rows * width }, (_, i) => y[i]!),
      d: new Float64Array(rows * width),
    };
    if (back !== undefined) steps.push(() => back(made.d));
    return made;
  };
  const zip: Tape['zip'] = (a, b, f, slopes) => {
    // One row is repeated, possibly 0 times.
    const [rows, width] = [a.rows === 1 ? b.rows : a.rows, Math.max(a.width, b.width)];
    const places = Array.from({ length: rows * width }, (_, i): readonly [number, number] => [
      at(a, Math.floor(i / width), i % width),
      at(b, Math.floor(i / width), i % width),
    ]);
    return node(
      rows,
      width,
      places.map(([i, j]) => f(a.y[i]!, b.y[j]!)),
      (d) => {
        for (const [k, [i, j]] of places.entries()) {
          const [da, db] = slopes(a.y[i]!, b.y[j]!);
          a.d[i]! += da * d[k]!;
          b.d[j]! += db * d[k]!;
        }
      },
    );
  };

  return {
    node,
    zip,
    map: (x, f, slope) =>
      node(x.rows, x.width, x.y.map(f), (d) => {
        for (let i = 0; i < d.length; i++) x.d[i]! += slope(x.y[i]!) * d[i]!;
      }),
    add: (a, b) =>
      zip(
        a,
        b,
        (x, y) => x + y,
        () => [1, 1],
      ),
    multiply: (a, b) =>
      zip(
        a,
        b,
        (x, y) => x * y,
        (x, y) => [y, x],
      ),
    product(x, weight) {
      const { rows, width: inputs } = x;
      const { width } = weight;
      const y = new Float64Array(rows * width);
      const each = (visit: (xi: number, wi: number, yi: number) => void): void => {
        for (let r = 0; r < rows; r++)
          for (let k = 0; k < inputs; k++)
            for (let c = 0; c < width; c++) visit(r * inputs + k, k * width + c, r * width + c);
      };
      each((xi, wi, yi) => (y[yi]! += x.y[xi]! * weight.y[wi]!));
      return node(rows, width, y, (d) =>
        each((xi, wi, yi) => {
          x.d[xi]! += weight.y[wi]! * d[yi]!;
          weight.d[wi]! += x.y[xi]! * d[yi]!;
        }),
      );
    },
    sum(x, over) {
      const [rows, width] = over === 'columns' ? [x.rows, 1] : [1, x.width];
      const y = new Float64Array(rows * width);
      const to = (i: number): number => (over === 'columns' ? Math.floor(i / x.width) : i % x.width);
      for (let i = 0; i < x.y.length; i++) y[to(i)]! += x.y[i]!;
      return node(rows, width, y, (d) => {
        for (let i = 0; i < x.d.length; i++) x.d[i]! += d[to(i)]!;
      });
    },
    columns(x, begin, width) {
      const from = (i: number): number => Math.floor(i / width) * x.width + begin + (i % width);
      return node(
        x.rows,
        width,
        Array.from({ length: x.rows * width }, (_, i) => x.y[from(i)]!),
        (d) => {
          for (let i = 0; i < d.length; i++) x.d[from(i)]! += d[i]!;
        },
      );
    },
    back() {
      for (const step of steps.splice(0).reverse()) step();
    },
  };
}
