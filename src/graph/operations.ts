/**
 * Operations of a model with their operands and attributes. Engines implement them; nothing is computed here.
 *
 * A value is a matrix with `width` columns and the rows of its domain.
 */

import type { Domain, ParentItems } from './domain.js';
import { listNames, SCALAR_ACTIVATIONS, type SCALAR_FUNCTIONS } from './scalar-functions.js';

/** Initial values of a parameter. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly standardDeviation: number };

/** A tensor of the model: trained by the optimizer, or updated by its operation (running statistics). */
export interface Parameter {
  readonly name: string;
  /** `[in, out]` for a linear weight, otherwise `[width]`. */
  readonly shape: readonly number[];
  readonly init: Initializer;
  readonly isTrainable: boolean;
}

/** Source of an input's columns. */
export type Source =
  /** Adjacent columns of the layout without bags, from column `begin` on. */
  | { readonly kind: 'features'; readonly begin: number }
  | { readonly kind: 'label'; readonly column: string }
  /** The items of a field, each looked up in a table. */
  | ({ readonly kind: 'items'; readonly table: string } & ItemField)
  /** The weights of a field's items, divided as the pooling says; never differentiated. */
  | ({ readonly kind: 'factors'; readonly pooling: Pooling } & ItemField);

/** Source of items, or of their factors. */
export type ItemSource = Extract<Source, { readonly kind: 'items' | 'factors' }>;

/** A field of the batch with any number of items per row. */
export interface ItemField {
  readonly field: string;
  /** Field whose domain it shares: both have the same number of items in each row. Default: its own domain. */
  readonly alignedWith?: string | undefined;
  /** Items that its items are values of; default: items of the rows of the batch. */
  readonly parent?: ParentItems | undefined;
}

/**
 * Division of the weights w of a row's items: none, by Σ w, or by √Σ w² (the combiners of TensorFlow's
 * `embedding_lookup_sparse`). If the divisor is 0, factors are 0.
 */
export type Pooling = 'sum' | 'mean' | 'sqrtn';

export type ParametricActivation = 'prelu' | 'dice';
const PARAMETRIC: readonly ParametricActivation[] = ['prelu', 'dice'];
/** Activations: scalar functions, and those with parameters. */
export const ACTIVATIONS = [...listNames(SCALAR_ACTIVATIONS), ...PARAMETRIC] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** Returns whether an activation has parameters. */
export function isParametric(activation: Activation): activation is ParametricActivation {
  return (PARAMETRIC as readonly Activation[]).includes(activation);
}

export type FunctionName = keyof typeof SCALAR_FUNCTIONS;

/** Poolings of a row's items. */
export const SEGMENT_POOLINGS = ['sum', 'mean', 'max'] as const;
export type SegmentPooling = (typeof SEGMENT_POOLINGS)[number];

/** Running mean and variance of a normalization, used in evaluation. */
export interface RunningStatistics {
  readonly mean: Parameter;
  readonly variance: Parameter;
  /** Added to the variance before the square root. */
  readonly epsilon: number;
  /** Share of the new batch in the running statistics (PyTorch's meaning). */
  readonly momentum: number;
}

/** Mask and weights of a loss. They may be computed; they are never differentiated. */
interface CountedRows {
  /** 1 for rows that count, otherwise 0; default: all rows count. */
  readonly mask: Value | undefined;
  /** Weight per row; default: 1. */
  readonly weights: Value | undefined;
}

/** Label of a loss. It may be computed; it is never differentiated. */
interface Compared extends CountedRows {
  readonly label: Value;
}

/** Rows of a matrix: the sum of as many rows of a weight from each `begin` on, times a factor. */
export interface WeightRows {
  readonly count: number;
  readonly terms: readonly { readonly begin: number; readonly factor: number }[];
}

/** A layer over x that has the rows of a weight in another order, or sums of them. */
interface CombinedLayer {
  readonly x: Value;
  /** Rows of the batch that are added to each of their items. */
  readonly base: Value | undefined;
  readonly weight: Parameter;
  /** M: one part after the other, with as many rows as x has columns. */
  readonly matrix: readonly WeightRows[];
  readonly bias: Parameter | undefined;
}

/** Every operation with its attributes. */
export interface Operations {
  input: { readonly source: Source };
  /** y = x W + b */
  linear: { readonly x: Value; readonly weight: Parameter; readonly bias: Parameter | undefined };
  /** Ioffe & Szegedy 2015. Training uses the biased variance of the batch; the running variance is unbiased. */
  batchNorm: {
    readonly x: Value;
    readonly gain: Parameter;
    readonly shift: Parameter;
    readonly running: RunningStatistics;
  };
  activation: {
    readonly x: Value;
    readonly kind: Activation;
    /** Slope below zero of `prelu` (one element) and `dice` (one per column). */
    readonly slope: Parameter | undefined;
    /** Running statistics of `dice` (Zhou et al. 2018, eq. 3). */
    readonly running: RunningStatistics | undefined;
  };
  /** Ba, Kiros & Hinton 2016, with the mean and biased variance of each row. */
  layerNorm: { readonly x: Value; readonly gain: Parameter; readonly shift: Parameter; readonly epsilon: number };
  /** Inverted dropout in training, the identity in evaluation. `name` selects its random stream. */
  dropout: { readonly x: Value; readonly rate: number; readonly name: string };
  softmax: { readonly x: Value };
  concat: { readonly xs: readonly Value[] };
  slice: { readonly x: Value; readonly begin: number };
  /**
   * The columns of each row in rows of equal width: consecutive columns each or, if interleaved, row i of n has columns
   * i, i + n, i + 2n and so on.
   */
  split: { readonly x: Value; readonly isInterleaved: boolean };
  /** The rows of `split` as columns again. */
  join: { readonly x: Value; readonly isInterleaved: boolean };
  multiply: { readonly a: Value; readonly b: Value };
  add: { readonly a: Value; readonly b: Value };
  /** factor · x + offset */
  affine: { readonly x: Value; readonly factor: number; readonly offset: number };
  /** An elementwise function. `sign` has gradient 0. A step with a non-finite result is skipped. */
  map: { readonly x: Value; readonly of: FunctionName };
  /** The logit of σ(a) σ(b) from the logits, such as ESMM's CTCVR (Ma et al. 2018). */
  productLogit: { readonly a: Value; readonly b: Value };
  /** -[y log σ(z) + (1 - y) log(1 - σ(z))] per row, an operand of other losses; the label is never differentiated. */
  crossEntropy: { readonly logit: Value; readonly label: Value };
  /** 1 / x; a step with x = 0 is skipped. */
  reciprocal: { readonly x: Value };
  /** x clamped to bounds; clamped elements have gradient 0. */
  clip: { readonly x: Value; readonly low: number; readonly high: number };
  /** The sum over all rows of the batch, in every row. For losses only, not for predictions. */
  batchSum: { readonly x: Value };
  /**
   * log Σ e^x over the batch's rows of the same group; a row with a negative group is a group of its own. Groups are
   * never differentiated.
   */
  groupLogSumExp: { readonly x: Value; readonly groups: Value };
  /**
   * For a row of label 1: the mean of log(1 + e^(x_j - x)) over rows j of its group with another label. 0 if there are
   * none, and for other rows.
   */
  groupPairs: { readonly x: Value; readonly label: Value; readonly groups: Value };
  /** Each row of the batch repeated for its items. */
  expand: { readonly x: Value };
  /**
   * The sum, mean or maximum over the items of each row; 0 without items. A maximum's gradient goes to the first. A sum
   * may have a weight per item: Σ w·x.
   */
  segmentPool: { readonly x: Value; readonly of: SegmentPooling; readonly weights: Value | undefined };
  /** Softmax over the items of each row, by column. */
  segmentSoftmax: { readonly x: Value };
  /** The items `by` places earlier in the same row; 0 where there is none. */
  shift: { readonly x: Value; readonly by: number };
  /**
   * Weights times v over the items of each row, in heads of d consecutive columns; if causal, over items up to the
   * query's own. Weights are softmax(q kᵀ / √d) (Vaswani et al. 2017, eq. 1) or, if pointwise, SiLU(q kᵀ + b) / n for n
   * items (Zhai et al. 2024, eq. 2).
   */
  segmentAttention: {
    readonly query: Value;
    readonly key: Value;
    readonly value: Value;
    readonly heads: number;
    readonly isCausal: boolean;
    readonly isPointwise: boolean;
    /**
     * b of pointwise weights, for all heads: a number by the distance of two items, then one by the octave of the
     * difference of their ages. Undefined without distances and octaves.
     */
    readonly bias: Parameter | undefined;
    /** Number of distances, from 0 to either side; larger ones count as the last. */
    readonly distances: number;
    /** Number of octaves, of which the first is below 1, the second below 3; larger ones count as the last. */
    readonly octaves: number;
    /** Ages of the items (width 1), if there are octaves; never differentiated. */
    readonly ages: Value | undefined;
  };
  /**
   * The states of a gated recurrent unit over the items of each row, oldest to newest, as PyTorch's GRU: with s = h W +
   * b of the previous state h, 0 before the first item, r = σ(x_r + s_r), z = σ(x_z + s_z), n = tanh(x_n + r ∘ s_n) and
   * h' = h + a (1 - z) ∘ (n - h). Columns of x and W are the columns of r, z and n. The attention a of an item (width
   * 1) makes it the AUGRU of Zhou et al. 2019, eq. 16; default: 1.
   */
  segmentGru: {
    readonly x: Value;
    readonly weight: Parameter;
    readonly bias: Parameter;
    readonly attention: Value | undefined;
  };
  /** The inner product of each item and the query of its row. */
  itemProduct: { readonly x: Value; readonly query: Value };
  /**
   * The number of equal bits of two hashes, of each item and of the query of its row (SimHash, Charikar 2002): a bit is
   * whether a projection is negative. It has no gradient.
   */
  hashMatches: { readonly x: Value; readonly query: Value; readonly projection: Parameter };
  /**
   * The items of each row with the largest scores, of equal ones the newest: the number of later items of the row, for
   * each selected item, in the order of the items. It has no gradient.
   */
  selectTop: { readonly scores: Value };
  /** The items that have the given numbers of later items in their row; the numbers of one row differ. */
  gatherItems: { readonly x: Value; readonly positions: Value };
  /** The number of later items in the same row, for each item of a sequence: 0 for the last. It has no gradient. */
  itemPosition: { readonly field: string };
  /** y = x M + base + b. Only `combineLinears` adds it. */
  combinedLinear: CombinedLayer;
  /**
   * y = x (M + diag(scale) S) + base + b over items, with a matrix for each row of the batch: S, which has the first
   * rows of M at most, is `scaledMatrix`. Only `combineLinears` adds it.
   */
  scaledLinear: CombinedLayer & { readonly scale: Value; readonly scaledMatrix: readonly WeightRows[] };
  /** x with the gradient blocked. */
  stopGradient: { readonly x: Value };
  /** Sum over e of gate[:, e] · experts[e] (Jacobs et al. 1991; Ma et al. 2018, eq. 6). */
  mixture: { readonly gate: Value; readonly experts: readonly Value[] };
  /**
   * AITM's attention over two tokens (Xi et al. 2021, eq. 3-6): softmax over tokens of <q_t, k_t> / √d as weights of
   * v_t.
   */
  attend: {
    readonly tokens: readonly [Value, Value];
    readonly query: Parameter;
    readonly key: Parameter;
    readonly value: Parameter;
  };
  /** Mean over the masked rows of weight · -[y log σ(z) + (1 - y) log(1 - σ(z))]; a scalar per batch. */
  binaryCrossEntropy: Compared & { readonly logit: Value };
  /** Mean over the masked rows of weight · (prediction - label)². */
  squaredError: Compared & { readonly prediction: Value };
  /** Mean over the masked rows of weight · x, for a loss that the graph computes. */
  mean: CountedRows & { readonly x: Value };
}

/** Operations on the items of sequences; some also on the rows of `split`. */
export type ItemOperation =
  'expand' | 'segmentPool' | 'segmentSoftmax' | 'segmentAttention' | 'segmentGru' | 'shift' | 'itemPosition';
/** Operations that search the items of sequences. */
export type SearchOperation = 'itemProduct' | 'hashMatches' | 'selectTop' | 'gatherItems';
export type OperationName = keyof Operations;
/** Operations that no model has: passes over the graph add them. */
export type CombinedOperation = 'combinedLinear' | 'scaledLinear';
export type LossName = 'binaryCrossEntropy' | 'squaredError' | 'mean';

/** A value in the graph: the result of one operation. */
export type ValueOf<Name extends OperationName> = Operations[Name] & {
  readonly op: Name;
  /** Position in the graph's topological order. */
  readonly id: number;
  readonly width: number;
  readonly rows: Domain;
};

export type Value = { [Name in OperationName]: ValueOf<Name> }[OperationName];
export type LossValue = { [Name in LossName]: ValueOf<Name> }[LossName];

const LOSSES: ReadonlySet<string> = new Set<LossName>(['binaryCrossEntropy', 'squaredError', 'mean']);

/** Returns whether a value is a loss: a scalar per batch, not a column. */
export function isLoss(value: Value): value is LossValue {
  return LOSSES.has(value.op);
}
