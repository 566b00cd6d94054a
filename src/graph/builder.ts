import type {
  Activation,
  FunctionName,
  Initializer,
  LossValue,
  OperationName,
  Operations,
  Parameter,
  RunningStatistics,
  Source,
  Value,
  ValueOf,
} from './operations.js';

/** PyTorch's defaults for `BatchNorm1d`. */
const BATCH_NORM = { epsilon: 1e-5, momentum: 0.1 } as const;
/** PyTorch's default for `LayerNorm`. */
const LAYER_NORM_EPSILON = 1e-5;
/** TensorFlow's defaults for the normalisation inside `dice`, as in the authors' code. */
const DICE = { epsilon: 1e-9, momentum: 0.01 } as const;

/** Rows that a loss counts, and the factor of each. */
export interface LossOptions {
  readonly mask?: Value | undefined;
  readonly weights?: Value | undefined;
}

/**
 * Writes a model down as a list of operations. Widths are checked here, while the model is built, so that an engine can
 * trust them; a mismatch is a mistake in the model's file and throws a plain Error.
 */
export class GraphBuilder {
  readonly values: Value[];
  readonly #parameters: Map<string, Parameter>;
  readonly #dropouts: Set<string>;
  readonly #prefix: string;

  /** A new graph; or, within one, a part whose names begin with `prefix`: what is made there is the graph's. */
  constructor(within?: GraphBuilder, prefix = '') {
    this.values = within?.values ?? [];
    this.#parameters = within === undefined ? new Map<string, Parameter>() : within.#parameters;
    this.#dropouts = within === undefined ? new Set<string>() : within.#dropouts;
    this.#prefix = within === undefined ? prefix : `${within.#prefix}${prefix}.`;
  }

  /** The same graph, in which what a name is given to is called `part.name`: for what a model has several times. */
  within(part: string): GraphBuilder {
    return new GraphBuilder(this, part);
  }

  /** All parameters, in the order in which the model made them. */
  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  /** Columns from outside: the features of a row, or one of its labels. */
  input(source: Source, width: number): ValueOf<'input'> {
    return this.#push('input', width, { source });
  }

  /**
   * x W + b, both drawn from U(-1/√in, 1/√in): Kaiming-uniform with a = √5, as PyTorch's `Linear`.
   * @param options whether there is a bias, and its first value where it is not drawn
   */
  linear(
    x: Value,
    width: number,
    name: string,
    options: { readonly bias?: boolean; readonly firstBias?: number | undefined } = {},
  ): ValueOf<'linear'> {
    const init: Initializer = { kind: 'uniform', bound: 1 / Math.sqrt(x.width) };
    const weight = this.#parameter(`${name}.weight`, [x.width, width], init);
    const { firstBias } = options;
    const bias =
      options.bias === false
        ? undefined
        : this.#parameter(
            `${name}.bias`,
            [width],
            firstBias === undefined ? init : { kind: 'constant', value: firstBias },
          );
    return this.#push('linear', width, { x, weight, bias });
  }

  /** Batch normalisation with a learned gain and shift. */
  batchNorm(x: Value, name: string): ValueOf<'batchNorm'> {
    const gain = this.#parameter(`${name}.gain`, [x.width], { kind: 'constant', value: 1 });
    const shift = this.#parameter(`${name}.shift`, [x.width], { kind: 'constant', value: 0 });
    return this.#push('batchNorm', x.width, { x, gain, shift, running: this.#running(name, x.width, BATCH_NORM) });
  }

  /** Normalisation of each row, with a learned gain and shift. */
  layerNorm(x: Value, name: string): ValueOf<'layerNorm'> {
    const gain = this.#parameter(`${name}.gain`, [x.width], { kind: 'constant', value: 1 });
    const shift = this.#parameter(`${name}.shift`, [x.width], { kind: 'constant', value: 0 });
    return this.#push('layerNorm', x.width, { x, gain, shift, epsilon: LAYER_NORM_EPSILON });
  }

  /** An elementwise non-linearity; `name` is where `prelu` and `dice` keep what they learn. */
  activation(x: Value, kind: Activation, name: string): Value {
    if (kind === 'linear') return x;
    const slope =
      kind === 'prelu'
        ? this.#parameter(`${name}.slope`, [1], { kind: 'constant', value: 0.25 })
        : kind === 'dice'
          ? this.#parameter(`${name}.slope`, [x.width], { kind: 'constant', value: 0 })
          : undefined;
    const running = kind === 'dice' ? this.#running(name, x.width, DICE) : undefined;
    return this.#push('activation', x.width, { x, kind, slope, running });
  }

  /** Inverted dropout: each number is 0 with probability `rate` in training, and scaled by 1 / (1 - rate) otherwise. */
  dropout(x: Value, rate: number, layer: string): Value {
    const name = `${this.#prefix}${layer}`;
    check(rate >= 0 && rate < 1, `dropout '${name}' has rate ${rate}`);
    check(!this.#dropouts.has(name), `two dropouts are called '${name}'`);
    this.#dropouts.add(name);
    return rate === 0 ? x : this.#push('dropout', x.width, { x, rate, name });
  }

  /** Softmax over the columns of each row. */
  softmax(x: Value): ValueOf<'softmax'> {
    return this.#push('softmax', x.width, { x });
  }

  /** Columns side by side. */
  concat(xs: readonly Value[]): ValueOf<'concat'> {
    check(xs.length > 0, 'concat needs a value');
    return this.#push(
      'concat',
      xs.reduce((sum, x) => sum + x.width, 0),
      { xs },
    );
  }

  /** Columns `begin` to `begin + width`. */
  slice(x: Value, begin: number, width: number): ValueOf<'slice'> {
    check(begin >= 0 && width > 0 && begin + width <= x.width, `slice ${begin}+${width} of width ${x.width}`);
    return this.#push('slice', width, { x, begin });
  }

  /** Elementwise product of two values of one width. */
  multiply(a: Value, b: Value): ValueOf<'multiply'> {
    checkWidths('multiply', a.width, b.width);
    return this.#push('multiply', a.width, { a, b });
  }

  /** Elementwise sum of two values of one width. */
  add(a: Value, b: Value): ValueOf<'add'> {
    checkWidths('add', a.width, b.width);
    return this.#push('add', a.width, { a, b });
  }

  /** factor · x + offset, elementwise. */
  affine(x: Value, factor: number, offset: number): ValueOf<'affine'> {
    return this.#push('affine', x.width, { x, factor, offset });
  }

  /** A function of each number: e^x, e^x - 1, log x, log(1 + x), log(1 + e^x), or -1, 0 and 1 below, at and above 0. */
  map(x: Value, of: FunctionName): ValueOf<'map'> {
    return this.#push('map', x.width, { x, of });
  }

  /** The logit of the product of two probabilities that are given by their logits, elementwise. */
  productLogit(a: Value, b: Value): ValueOf<'productLogit'> {
    checkWidths('productLogit', a.width, b.width);
    return this.#push('productLogit', a.width, { a, b });
  }

  /** The log loss of each row, as a value that other losses are made of. */
  crossEntropy(logit: Value, label: Value): ValueOf<'crossEntropy'> {
    checkWidths('crossEntropy', label.width, logit.width);
    return this.#push('crossEntropy', logit.width, { logit, label });
  }

  /** 1 / x, elementwise. */
  reciprocal(x: Value): ValueOf<'reciprocal'> {
    return this.#push('reciprocal', x.width, { x });
  }

  /** Numbers kept from `low` to `high`; beyond, they have no gradient. */
  clip(x: Value, low: number, high: number): ValueOf<'clip'> {
    check(low <= high, `clip from ${low} to ${high}`);
    return this.#push('clip', x.width, { x, low, high });
  }

  /** The sum over the batch, in every row: what a loss divides by or compares, never a prediction. */
  batchSum(x: Value): ValueOf<'batchSum'> {
    return this.#push('batchSum', x.width, { x });
  }

  /**
   * log Σ e^x over the rows of each row's group, of one number a row: what a loss compares within groups, never a
   * prediction.
   */
  groupLogSumExp(x: Value, groups: Value): ValueOf<'groupLogSumExp'> {
    for (const { width } of [x, groups]) checkWidths('groupLogSumExp', width, 1);
    return this.#push('groupLogSumExp', 1, { x, groups });
  }

  /** The loss of each row of label 1 against those of another label in its group, of one number a row. */
  groupPairs(x: Value, label: Value, groups: Value): ValueOf<'groupPairs'> {
    for (const { width } of [x, label, groups]) checkWidths('groupPairs', width, 1);
    return this.#push('groupPairs', 1, { x, label, groups });
  }

  /** The same numbers, from which nothing goes back. */
  stopGradient(x: Value): ValueOf<'stopGradient'> {
    return this.#push('stopGradient', x.width, { x });
  }

  /** The gate's weighted sum of experts: one column of the gate an expert. */
  mixture(gate: Value, experts: readonly Value[]): ValueOf<'mixture'> {
    checkWidths('mixture gate', gate.width, experts.length);
    const width = experts[0]?.width ?? 0;
    for (const expert of experts) checkWidths('mixture expert', expert.width, width);
    return this.#push('mixture', width, { gate, experts });
  }

  /** AITM's attention over two tokens of one width, with its own query, key and value matrices. */
  attend(tokens: readonly [Value, Value], name: string): ValueOf<'attend'> {
    const width = tokens[0].width;
    checkWidths('attend', tokens[1].width, width);
    const init: Initializer = { kind: 'uniform', bound: 1 / Math.sqrt(width) };
    const matrix = (role: string): Parameter => this.#parameter(`${name}.${role}`, [width, width], init);
    return this.#push('attend', width, { tokens, query: matrix('query'), key: matrix('key'), value: matrix('value') });
  }

  /** Log loss of a probability that is given by its logit. */
  binaryCrossEntropy(logit: Value, label: Value, options: LossOptions = {}): LossValue {
    return this.#push('binaryCrossEntropy', 1, { logit, label, ...countedRows([logit, label], options) });
  }

  /** Mean squared error. */
  squaredError(prediction: Value, label: Value, options: LossOptions = {}): LossValue {
    return this.#push('squaredError', 1, { prediction, label, ...countedRows([prediction, label], options) });
  }

  /** The mean of a loss that was computed row by row. */
  mean(x: Value, options: LossOptions = {}): LossValue {
    return this.#push('mean', 1, { x, ...countedRows([x], options) });
  }

  #push<Name extends OperationName>(op: Name, width: number, attributes: Operations[Name]): ValueOf<Name> {
    check(Number.isInteger(width) && width > 0, `${op} of width ${width}`);
    const value: ValueOf<Name> = { ...attributes, op, width, id: this.values.length };
    // One member of the union, as `op` says; TypeScript cannot see it through the type parameter.
    this.values.push(value as unknown as Value);
    return value;
  }

  #running(name: string, width: number, settings: typeof BATCH_NORM | typeof DICE): RunningStatistics {
    const mean = this.#parameter(`${name}.runningMean`, [width], { kind: 'constant', value: 0 }, false);
    const variance = this.#parameter(`${name}.runningVariance`, [width], { kind: 'constant', value: 1 }, false);
    return { mean, variance, ...settings };
  }

  #parameter(of: string, shape: readonly number[], init: Initializer, isTrainable = true): Parameter {
    const name = `${this.#prefix}${of}`;
    check(!this.#parameters.has(name), `two parameters are called '${name}'`);
    const parameter = { name, shape, init, isTrainable };
    this.#parameters.set(name, parameter);
    return parameter;
  }
}

function countedRows(
  columns: readonly Value[],
  { mask, weights }: LossOptions,
): { mask: Value | undefined; weights: Value | undefined } {
  for (const column of [...columns, mask, weights]) if (column !== undefined) checkWidths('loss', column.width, 1);
  return { mask, weights };
}

function checkWidths(what: string, found: number, expected: number): void {
  check(found === expected, `${what}: width ${found} where ${expected} is needed`);
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`graph: ${message}`);
}
