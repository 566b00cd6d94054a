/** What formulas are written with: numbers, tensors or text. A form that lacks a member does not compile. */
export interface Arithmetic<T> {
  number(value: number): T;
  add(a: T, b: T): T;
  subtract(a: T, b: T): T;
  multiply(a: T, b: T): T;
  /** a b + c, rounded once where an instruction does that. */
  multiplyAdd(a: T, b: T, c: T): T;
  /** 1 / x, infinity for 0. */
  reciprocal(x: T): T;
  /** 1 if x > 0, otherwise `below`. */
  step(x: T, below: number): T;
  /** The larger of x and 0, or NaN. */
  positive(x: T): T;
  exp(x: T): T;
  expm1(x: T): T;
  log(x: T): T;
  log1p(x: T): T;
  softplus(x: T): T;
  sign(x: T): T;
  /** The sine of 2πx. */
  sin2Pi(x: T): T;
  /** The cosine of 2πx. */
  cos2Pi(x: T): T;
  sigmoid(x: T): T;
  tanh(x: T): T;
  /** The standard normal distribution function. */
  distribution(x: T): T;
  /** The standard normal density. */
  density(x: T): T;
}

type Formula = <T>(of: Arithmetic<T>, x: T) => T;

/** A function of a number. */
export interface ScalarFunction {
  readonly value: Formula;
  /** The derivative: a formula of the operand x or of the result y, or 1 if that is positive and `below` if not. */
  readonly slope: { readonly x: Formula } | { readonly y: Formula } | { readonly below: number };
  /** The function is defined for larger operands; default: for all numbers. */
  readonly above?: number;
  /** ONNX operator with its attributes, if one computes the function; default: operators of the formula. */
  readonly onnx?: readonly [operator: string, attributes: Readonly<Record<string, number>>];
}

/** Elementwise functions by name, in the order of their codes in kernels. */
export const SCALAR_FUNCTIONS = {
  exp: { value: (of, x) => of.exp(x), slope: { x: (of, x) => of.exp(x) } },
  expm1: { value: (of, x) => of.expm1(x), slope: { x: (of, x) => of.exp(x) } },
  log: { value: (of, x) => of.log(x), slope: { x: (of, x) => of.reciprocal(x) }, above: 0 },
  log1p: { value: (of, x) => of.log1p(x), slope: { x: (of, x) => of.reciprocal(of.add(of.number(1), x)) }, above: -1 },
  softplus: { value: (of, x) => of.softplus(x), slope: { x: (of, x) => of.sigmoid(x) } },
  sign: { value: (of, x) => of.sign(x), slope: { x: (of) => of.number(0) } },
  sin2Pi: {
    value: (of, x) => of.sin2Pi(x),
    slope: { x: (of, x) => of.multiply(of.number(2 * Math.PI), of.cos2Pi(x)) },
  },
  cos2Pi: {
    value: (of, x) => of.cos2Pi(x),
    slope: { x: (of, x) => of.multiply(of.number(-2 * Math.PI), of.sin2Pi(x)) },
  },
} as const satisfies Readonly<Record<string, ScalarFunction>>;

/** Activations without parameters by name, in the order of their codes in kernels, where 0 is none. */
export const SCALAR_ACTIVATIONS = {
  linear: { value: (_, x) => x, slope: { x: (of) => of.number(1) } },
  relu: { value: (of, x) => of.positive(x), slope: { below: 0 } },
  'leaky-relu': {
    value: (of, x) => of.multiply(x, of.step(x, 0.01)),
    slope: { below: 0.01 },
    onnx: ['LeakyRelu', { alpha: 0.01 }],
  },
  sigmoid: { value: (of, x) => of.sigmoid(x), slope: { y: (of, y) => of.multiply(y, of.subtract(of.number(1), y)) } },
  tanh: { value: (of, x) => of.tanh(x), slope: { y: (of, y) => of.subtract(of.number(1), of.multiply(y, y)) } },
  gelu: {
    value: (of, x) => of.multiply(x, of.distribution(x)),
    slope: { x: (of, x) => of.multiplyAdd(x, of.density(x), of.distribution(x)) },
  },
  swish: { value: (of, x) => of.multiply(x, of.sigmoid(x)), slope: { x: swishSlope } },
} as const satisfies Readonly<Record<string, ScalarFunction>>;

/** σ(x) + x σ(x) (1 - σ(x)) */
function swishSlope<T>(of: Arithmetic<T>, x: T): T {
  const p = of.sigmoid(x);
  return of.add(p, of.multiply(of.multiply(x, p), of.subtract(of.number(1), p)));
}

/** Computes the derivative of a function from its operand x and its result y. */
export function computeSlope<T>({ slope }: ScalarFunction, of: Arithmetic<T>, x: T, y: T): T {
  if ('below' in slope) return of.step(y, slope.below);
  return 'y' in slope ? slope.y(of, y) : slope.x(of, x);
}

/** Returns the names of a table's functions, in order. */
export function listNames<Name extends string>(table: Readonly<Record<Name, ScalarFunction>>): readonly Name[] {
  return Object.keys(table) as Name[];
}

/** Returns the code of each function of a table in the kernels: its position. */
export function assignCodes<Name extends string>(table: Readonly<Record<Name, ScalarFunction>>): Record<Name, number> {
  return Object.fromEntries(listNames(table).map((name, code) => [name, code])) as Record<Name, number>;
}
