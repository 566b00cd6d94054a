/** What formulas are written with: numbers or the text of a shader. A form that lacks a member does not compile. */
export interface Arithmetic<T> {
  number(value: number): T;
  add(a: T, b: T): T;
  subtract(a: T, b: T): T;
  multiply(a: T, b: T): T;
  /** 1 / x, infinity for 0. */
  reciprocal(x: T): T;
  /** a if x > 0, otherwise b. */
  ifPositive(x: T, a: T, b: T): T;
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

/** A function of a number, and its derivative in terms of its operand x and its result y. */
export interface ScalarFunction {
  readonly value: <T>(of: Arithmetic<T>, x: T) => T;
  readonly slope: <T>(of: Arithmetic<T>, x: T, y: T) => T;
}

/** A function whose derivative is a formula of its operand. */
interface FunctionOfOperand extends ScalarFunction {
  readonly slope: <T>(of: Arithmetic<T>, x: T) => T;
}

/** Elementwise functions by name, in the order of their codes in kernels/maps.c. */
export const SCALAR_FUNCTIONS = {
  exp: { value: (of, x) => of.exp(x), slope: (of, x) => of.exp(x) },
  expm1: { value: (of, x) => of.expm1(x), slope: (of, x) => of.exp(x) },
  log: { value: (of, x) => of.log(x), slope: (of, x) => of.reciprocal(x) },
  log1p: { value: (of, x) => of.log1p(x), slope: (of, x) => of.reciprocal(of.add(of.number(1), x)) },
  softplus: { value: (of, x) => of.softplus(x), slope: (of, x) => of.sigmoid(x) },
  sign: { value: (of, x) => of.sign(x), slope: (of) => of.number(0) },
  sin2Pi: { value: (of, x) => of.sin2Pi(x), slope: (of, x) => of.multiply(of.number(2 * Math.PI), of.cos2Pi(x)) },
  cos2Pi: { value: (of, x) => of.cos2Pi(x), slope: (of, x) => of.multiply(of.number(-2 * Math.PI), of.sin2Pi(x)) },
} as const satisfies Readonly<Record<string, FunctionOfOperand>>;

/** Activations without parameters by name, in the order of their codes in kernels/activations.h, from 0. */
export const SCALAR_ACTIVATIONS = {
  linear: { value: (_, x) => x, slope: (of) => of.number(1) },
  relu: { value: (of, x) => of.positive(x), slope: (of, x) => of.ifPositive(x, of.number(1), of.number(0)) },
  'leaky-relu': {
    value: (of, x) => of.ifPositive(x, x, of.multiply(of.number(0.01), x)),
    slope: (of, x) => of.ifPositive(x, of.number(1), of.number(0.01)),
  },
  sigmoid: { value: (of, x) => of.sigmoid(x), slope: (of, _, y) => of.multiply(y, of.subtract(of.number(1), y)) },
  tanh: { value: (of, x) => of.tanh(x), slope: (of, _, y) => of.subtract(of.number(1), of.multiply(y, y)) },
  gelu: {
    value: (of, x) => of.multiply(x, of.distribution(x)),
    slope: (of, x) => of.add(of.distribution(x), of.multiply(x, of.density(x))),
  },
  swish: {
    value: (of, x) => of.multiply(x, of.sigmoid(x)),
    slope: (of, x, y) => of.add(of.sigmoid(x), of.multiply(y, of.subtract(of.number(1), of.sigmoid(x)))),
  },
} as const satisfies Readonly<Record<string, ScalarFunction>>;

/** Returns the code of each function of a table in the kernels: its position. */
export function codesOf<Name extends string>(table: Readonly<Record<Name, ScalarFunction>>): Record<Name, number> {
  return Object.fromEntries(Object.keys(table).map((name, code) => [name, code])) as Record<Name, number>;
}
