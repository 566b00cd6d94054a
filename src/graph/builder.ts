import { checkAttention, layOutBias, type AttentionOptions, type PointwiseOptions } from './attention.js';
import {
  check,
  checkBatch,
  checkItems,
  checkPositions,
  checkQuery,
  checkWidths,
  commonDomain,
  fieldOfItems,
} from './checks.js';
import { GraphRecorder } from './recorder.js';
import { countedRows, type LossOptions } from './loss-options.js';
import { BATCH, blocks, domainName, items, parentDomain, selected, type Domain } from './domain.js';
import type {
  Activation,
  FunctionName,
  Initializer,
  LossValue,
  Parameter,
  RunningStatistics,
  SegmentPooling,
  Source,
  Value,
  ValueOf,
} from './operations.js';

/** PyTorch's defaults for `BatchNorm1d`. */
const BATCH_NORM = { epsilon: 1e-5, momentum: 0.1 } as const;
/** PyTorch's default for `LayerNorm`. */
const LAYER_NORM_EPSILON = 1e-5;
/** TensorFlow's defaults for the normalization inside `dice`, as in the authors' code. */
const DICE = { epsilon: 1e-9, momentum: 0.01 } as const;

/**
 * Records a model as a list of operations. Widths are checked while the model is built, so that engines can trust them.
 * A mismatch is a bug in the model's file and throws a plain Error.
 */
export class GraphBuilder extends GraphRecorder {
  /** Returns a view of this graph that names everything `part.name`: for components that a model has several times. */
  within(part: string): GraphBuilder {
    return new GraphBuilder(this, part);
  }

  /** Adds an input: features of a row, one of its labels, or the items of a field or their factors. */
  input(source: Source, width: number): ValueOf<'input'> {
    if (source.kind === 'factors') checkWidths('factors', width, 1);
    const isOfItems = source.kind === 'items' || source.kind === 'factors';
    const rows = isOfItems ? items(source.alignedWith ?? source.field, source.parent) : BATCH;
    return this.push('input', width, { source }, rows);
  }

  /**
   * Adds y = x W + b. Both are initialized from U(-1/√in, 1/√in): Kaiming uniform with a = √5, as PyTorch's `Linear`.
   * @param options `bias: false` omits the bias; `firstBias` and `firstWeight` are other initial values
   */
  linear(
    x: Value,
    width: number,
    name: string,
    options: {
      readonly bias?: boolean;
      readonly firstBias?: number | undefined;
      readonly firstWeight?: number | Initializer;
    } = {},
  ): ValueOf<'linear'> {
    const initialize = (first: number | Initializer | undefined): Initializer => {
      if (first === undefined) return { kind: 'uniform', bound: 1 / Math.sqrt(x.width) };
      return typeof first === 'number' ? { kind: 'constant', value: first } : first;
    };
    const weight = this.parameter(`${name}.weight`, [x.width, width], initialize(options.firstWeight));
    const bias =
      options.bias === false ? undefined : this.parameter(`${name}.bias`, [width], initialize(options.firstBias));
    return this.push('linear', width, { x, weight, bias });
  }

  /** Adds batch normalization with a trained gain and shift. */
  batchNorm(x: Value, name: string): ValueOf<'batchNorm'> {
    const gain = this.parameter(`${name}.gain`, [x.width], { kind: 'constant', value: 1 });
    const shift = this.parameter(`${name}.shift`, [x.width], { kind: 'constant', value: 0 });
    return this.push('batchNorm', x.width, { x, gain, shift, running: this.#running(name, x.width, BATCH_NORM) });
  }

  /** Adds layer normalization with a trained gain and shift. */
  layerNorm(x: Value, name: string): ValueOf<'layerNorm'> {
    const gain = this.parameter(`${name}.gain`, [x.width], { kind: 'constant', value: 1 });
    const shift = this.parameter(`${name}.shift`, [x.width], { kind: 'constant', value: 0 });
    return this.push('layerNorm', x.width, { x, gain, shift, epsilon: LAYER_NORM_EPSILON });
  }

  /** Adds an elementwise activation; `name` is the prefix of the parameters of `prelu` and `dice`. */
  activation(x: Value, kind: Activation, name: string): Value {
    if (kind === 'linear') return x;
    const slope =
      kind === 'prelu'
        ? this.parameter(`${name}.slope`, [1], { kind: 'constant', value: 0.25 })
        : kind === 'dice'
          ? this.parameter(`${name}.slope`, [x.width], { kind: 'constant', value: 0 })
          : undefined;
    const running = kind === 'dice' ? this.#running(name, x.width, DICE) : undefined;
    return this.push('activation', x.width, { x, kind, slope, running });
  }

  /**
   * Adds inverted dropout: in training, sets an element to 0 with probability `rate` and scales others by 1 / (1 -
   * rate).
   */
  dropout(x: Value, rate: number, layer: string): Value {
    const name = this.dropoutName(layer);
    check(rate >= 0 && rate < 1, `dropout '${name}' has rate ${rate}`);
    return rate === 0 ? x : this.push('dropout', x.width, { x, rate, name });
  }

  /** Adds a softmax over the columns of each row. */
  softmax(x: Value): ValueOf<'softmax'> {
    return this.push('softmax', x.width, { x });
  }

  /** Concatenates columns; returns a single value as it is. */
  concat(xs: readonly Value[]): Value {
    const [first, ...others] = xs;
    check(first !== undefined, 'concat requires a value');
    const width = xs.reduce((sum, x) => sum + x.width, 0);
    return others.length === 0 ? first : this.push('concat', width, { xs });
  }

  /** Selects columns `begin` to `begin + width`. */
  slice(x: Value, begin: number, width: number): ValueOf<'slice'> {
    check(begin >= 0 && width > 0 && begin + width <= x.width, `slice ${begin}+${width} of width ${x.width}`);
    return this.push('slice', width, { x, begin });
  }

  /**
   * Splits the columns of each row of the batch into `count` rows of equal width, on which operations by row, and those
   * on the items of a sequence, work as on any rows.
   * @param options `isInterleaved` gives row i the columns i, i + count, i + 2 · count and so on; default: consecutive
   * ones
   */
  split(x: Value, count: number, { isInterleaved = false } = {}): ValueOf<'split'> {
    checkBatch('split', x);
    check(Number.isInteger(count) && count > 0 && x.width % count === 0, `split: ${count} rows of width ${x.width}`);
    return this.push('split', x.width / count, { x, isInterleaved }, blocks(count));
  }

  /** Joins rows that were split: the inverse of `split`. */
  join(x: Value, { isInterleaved = false } = {}): ValueOf<'join'> {
    check(x.rows.kind === 'blocks', `join: rows of ${domainName(x.rows)}, expected blocks`);
    return this.push('join', x.width * x.rows.count, { x, isInterleaved }, BATCH);
  }

  /** Multiplies two values of the same width elementwise. */
  multiply(a: Value, b: Value): ValueOf<'multiply'> {
    checkWidths('multiply', a.width, b.width);
    return this.push('multiply', a.width, { a, b });
  }

  /** Adds two values of the same width elementwise. */
  add(a: Value, b: Value): ValueOf<'add'> {
    checkWidths('add', a.width, b.width);
    return this.push('add', a.width, { a, b });
  }

  /** Computes factor · x + offset elementwise. */
  affine(x: Value, factor: number, offset: number): ValueOf<'affine'> {
    return this.push('affine', x.width, { x, factor, offset });
  }

  /** Applies a function elementwise: e^x, e^x - 1, log x, log(1 + x), log(1 + e^x), sign(x), sin 2πx or cos 2πx. */
  map(x: Value, of: FunctionName): ValueOf<'map'> {
    return this.push('map', x.width, { x, of });
  }

  /** Computes the logit of the product of two probabilities from their logits, elementwise. */
  productLogit(a: Value, b: Value): ValueOf<'productLogit'> {
    checkWidths('productLogit', a.width, b.width);
    return this.push('productLogit', a.width, { a, b });
  }

  /** Computes the log loss per row, as an operand of other losses. */
  crossEntropy(logit: Value, label: Value): ValueOf<'crossEntropy'> {
    checkWidths('crossEntropy', label.width, logit.width);
    return this.push('crossEntropy', logit.width, { logit, label });
  }

  /** Computes 1 / x elementwise. */
  reciprocal(x: Value): ValueOf<'reciprocal'> {
    return this.push('reciprocal', x.width, { x });
  }

  /** Clamps elements to `low`…`high`; clamped elements have gradient 0. */
  clip(x: Value, low: number, high: number): ValueOf<'clip'> {
    check(low <= high, `clip from ${low} to ${high}`);
    return this.push('clip', x.width, { x, low, high });
  }

  /** Sums over the batch and broadcasts the result to every row. For losses only, never for predictions. */
  batchSum(x: Value): ValueOf<'batchSum'> {
    return this.push('batchSum', x.width, { x });
  }

  /** Computes log Σ e^x over the rows of each row's group (width 1). For losses only, never for predictions. */
  groupLogSumExp(x: Value, groups: Value): ValueOf<'groupLogSumExp'> {
    for (const { width } of [x, groups]) checkWidths('groupLogSumExp', width, 1);
    return this.push('groupLogSumExp', 1, { x, groups });
  }

  /** Computes the pairwise loss of each row of label 1 against the rows of its group with another label (width 1). */
  groupPairs(x: Value, label: Value, groups: Value): ValueOf<'groupPairs'> {
    for (const { width } of [x, label, groups]) checkWidths('groupPairs', width, 1);
    return this.push('groupPairs', 1, { x, label, groups });
  }

  /**
   * Repeats each row of the batch for its items in a sequence.
   * @param field the field of the sequence, or the domain of the items
   */
  expand(x: Value, field: string | Domain): ValueOf<'expand'> {
    checkBatch('expand', x);
    return this.push('expand', x.width, { x }, typeof field === 'string' ? items(field) : field);
  }

  /**
   * Pools the items of each row, or the values of each item: sum, mean or maximum by column; zeros if there are none.
   * @param weights of the items in a sum (width 1); default: 1
   */
  segmentPool(x: Value, of: SegmentPooling, weights?: Value): ValueOf<'segmentPool'> {
    checkItems('segmentPool', x);
    if (weights !== undefined) {
      check(of === 'sum', `segmentPool: weights of a ${of}`);
      checkWidths('segmentPool weights', weights.width, 1);
      commonDomain('segmentPool', { x, of, weights });
    }
    return this.push('segmentPool', x.width, { x, of, weights }, parentDomain(x.rows));
  }

  /** Computes a softmax over the items of each row, by column. */
  segmentSoftmax(x: Value): ValueOf<'segmentSoftmax'> {
    checkItems('segmentSoftmax', x);
    return this.push('segmentSoftmax', x.width, { x });
  }

  /** Moves items `by` places later in their row, so that each sees an earlier one; zeros where there is none. */
  shift(x: Value, by: number): ValueOf<'shift'> {
    checkItems('shift', x);
    check(Number.isInteger(by) && by !== 0, `shift by ${by}`);
    return this.push('shift', x.width, { x, by });
  }

  /**
   * Computes attention of the items of each row to the items of the same row: softmax(q kᵀ / √d) v, in heads of d
   * columns. Operands have the same width; projections are linear layers before it and after it.
   */
  segmentAttention(query: Value, key: Value, value: Value, options: AttentionOptions): ValueOf<'segmentAttention'> {
    checkAttention(query, key, value, options);
    const { heads, isCausal } = options;
    const none = { isPointwise: false, bias: undefined, distances: 0, octaves: 0, ages: undefined };
    return this.push('segmentAttention', query.width, { query, key, value, heads, isCausal, ...none });
  }

  /**
   * Computes pointwise attention: SiLU(q kᵀ + b) v / n over the n items that an item attends to, in heads of columns.
   * b is 0 initially, and has a number for each distance of two items and for each octave of the difference of ages.
   */
  pointwiseAttention(
    query: Value,
    key: Value,
    value: Value,
    options: PointwiseOptions,
    name: string,
  ): ValueOf<'segmentAttention'> {
    checkAttention(query, key, value, options);
    const { heads, isCausal } = options;
    const { attributes, count } = layOutBias(options);
    const bias = count === 0 ? undefined : this.parameter(`${name}.bias`, [count], { kind: 'constant', value: 0 });
    const attended = { query, key, value, heads, isCausal, isPointwise: true, bias, ...attributes };
    return this.push('segmentAttention', query.width, attended);
  }

  /**
   * Computes the states of a gated recurrent unit over the items of each row, oldest to newest (width: a third of x's,
   * a multiple of 8). Its weights are initialized from U(-1/√width, 1/√width), as PyTorch's `GRU`.
   * @param x inputs of the gates r, z and n, one after the other: a linear layer of the items
   * @param attention factor of the update of each item (width 1); default: 1
   */
  segmentGru(x: Value, name: string, attention?: Value): ValueOf<'segmentGru'> {
    checkItems('segmentGru', x);
    const width = x.width / 3;
    check(width % 8 === 0, `segmentGru: width is ${x.width}, expected a multiple of 24`);
    if (attention !== undefined) checkWidths('segmentGru attention', attention.width, 1);
    const init: Initializer = { kind: 'uniform', bound: 1 / Math.sqrt(width) };
    const weight = this.parameter(`${name}.weight`, [width, 3 * width], init);
    const bias = this.parameter(`${name}.bias`, [3 * width], init);
    return this.push('segmentGru', width, { x, weight, bias, attention });
  }

  /** Computes the position of each item of a sequence from the end of its row: 0 for the last (width 1). */
  itemPosition(field: string): ValueOf<'itemPosition'> {
    return this.push('itemPosition', 1, { field }, items(field));
  }

  /** Computes the inner product of each item and the query of its row, of the same width (width 1). */
  itemProduct(x: Value, query: Value): ValueOf<'itemProduct'> {
    checkQuery('itemProduct', x, query);
    return this.push('itemProduct', 1, { x, query }, x.rows);
  }

  /**
   * Computes the number of equal bits of the hashes of each item and of the query of its row, of the same width (width
   * 1). A bit is whether a projection, which is random and not trained, is negative. It has no gradient.
   */
  hashMatches(x: Value, query: Value, bits: number, name: string): ValueOf<'hashMatches'> {
    checkQuery('hashMatches', x, query);
    const projection = this.parameter(name, [x.width, bits], { kind: 'uniform', bound: 1 }, false);
    return this.push('hashMatches', 1, { x, query, projection }, x.rows);
  }

  /**
   * Selects the `count` items of each row with the largest scores (width 1), or all if there are fewer; of equal ones
   * the newest. The result has no gradient.
   * @returns for each selected item, in the order of the items, the number of later items of its row (width 1)
   */
  selectTop(scores: Value, count: number): ValueOf<'selectTop'> {
    checkWidths('selectTop', scores.width, 1);
    check(Number.isInteger(count) && count > 0, `selectTop of ${count} items`);
    return this.push('selectTop', 1, { scores }, selected(fieldOfItems('selectTop', scores), count));
  }

  /** Returns the items at positions that `selectTop` selected among them; the gradient of others is 0. */
  gatherItems(x: Value, positions: Value): ValueOf<'gatherItems'> {
    checkPositions('gatherItems', x, positions);
    return this.push('gatherItems', x.width, { x, positions }, positions.rows);
  }

  /** Returns the same elements and blocks the gradient. */
  stopGradient(x: Value): ValueOf<'stopGradient'> {
    return this.push('stopGradient', x.width, { x });
  }

  /** Computes the gate's weighted sum of experts; column e of the gate is the weight of expert e. */
  mixture(gate: Value, experts: readonly Value[]): ValueOf<'mixture'> {
    checkWidths('mixture gate', gate.width, experts.length);
    const width = experts[0]?.width ?? 0;
    for (const expert of experts) checkWidths('mixture expert', expert.width, width);
    return this.push('mixture', width, { gate, experts });
  }

  /** Adds AITM's attention over two tokens of the same width, with its own query, key and value matrices. */
  attend(tokens: readonly [Value, Value], name: string): ValueOf<'attend'> {
    const width = tokens[0].width;
    checkWidths('attend', tokens[1].width, width);
    const init: Initializer = { kind: 'uniform', bound: 1 / Math.sqrt(width) };
    const matrix = (role: string): Parameter => this.parameter(`${name}.${role}`, [width, width], init);
    return this.push('attend', width, { tokens, query: matrix('query'), key: matrix('key'), value: matrix('value') });
  }

  /** Adds the log loss of a probability that is given by its logit. */
  binaryCrossEntropy(logit: Value, label: Value, options: LossOptions = {}): LossValue {
    return this.push('binaryCrossEntropy', 1, { logit, label, ...countedRows([logit, label], options) });
  }

  /** Adds the mean squared error. */
  squaredError(prediction: Value, label: Value, options: LossOptions = {}): LossValue {
    return this.push('squaredError', 1, { prediction, label, ...countedRows([prediction, label], options) });
  }

  /** Adds the mean of a loss that was computed per row. */
  mean(x: Value, options: LossOptions = {}): LossValue {
    return this.push('mean', 1, { x, ...countedRows([x], options) });
  }

  #running(name: string, width: number, settings: typeof BATCH_NORM | typeof DICE): RunningStatistics {
    const mean = this.parameter(`${name}.runningMean`, [width], { kind: 'constant', value: 0 }, false);
    const variance = this.parameter(`${name}.runningVariance`, [width], { kind: 'constant', value: 1 }, false);
    return { mean, variance, ...settings };
  }
}
