/**
 * The operations of a model: what each takes and what it holds. Engines give each a meaning; nothing here computes.
 *
 * A value is a matrix of `width` columns with a row for every row of the batch (the one free dimension).
 */

/** How the first values of a parameter are drawn. */
export type Initializer =
  { readonly kind: 'constant'; readonly value: number } | { readonly kind: 'uniform'; readonly bound: number };

/** A tensor that belongs to the model: trained by the optimizer, or (running statistics) updated by its operation. */
export interface Parameter {
  readonly name: string;
  /** `[in, out]` for a linear weight, `[width]` for everything else. */
  readonly shape: readonly number[];
  readonly init: Initializer;
  readonly isTrainable: boolean;
}

/** Where an input's columns come from. */
export type Source = { readonly kind: 'features' } | { readonly kind: 'label'; readonly column: string };

export const ACTIVATIONS = [
  'relu',
  'sigmoid',
  'tanh',
  'leaky-relu',
  'prelu',
  'dice',
  'gelu',
  'swish',
  'linear',
] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** Functions of one number. */
export const FUNCTIONS = ['exp', 'expm1', 'log', 'log1p', 'softplus', 'sign'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** Running mean and variance that a normalisation keeps for evaluation. */
export interface RunningStatistics {
  readonly mean: Parameter;
  readonly variance: Parameter;
  /** Added to the variance before its root is taken. */
  readonly epsilon: number;
  /** Share of the new batch in the running statistics (PyTorch's meaning). */
  readonly momentum: number;
}

/** What a loss counts by may be computed, and is never differentiated. */
interface CountedRows {
  /** Rows that count, 0 or 1; all of them where there is none. */
  readonly mask: Value | undefined;
  /** Factor of a row's loss; 1 where there is none. */
  readonly weights: Value | undefined;
}

/** What a loss compares with may be computed too, and is never differentiated. */
interface Compared extends CountedRows {
  readonly label: Value;
}

/** Every operation with its attributes; an engine's table has one entry for each. */
export interface Operations {
  input: { readonly source: Source };
  /** y = x W + b */
  linear: { readonly x: Value; readonly weight: Parameter; readonly bias: Parameter | undefined };
  /** Ioffe & Szegedy 2015; in training by the batch's biased variance, the running variance is the unbiased one. */
  batchNorm: {
    readonly x: Value;
    readonly gain: Parameter;
    readonly shift: Parameter;
    readonly running: RunningStatistics;
  };
  activation: {
    readonly x: Value;
    readonly kind: Activation;
    /** The slope below zero of `prelu` (one number) and `dice` (one a column). */
    readonly slope: Parameter | undefined;
    /** Statistics of `dice` (Zhou et al. 2018, eq. 3). */
    readonly running: RunningStatistics | undefined;
  };
  /** Ba, Kiros & Hinton 2016: by each row's own mean and biased variance. */
  layerNorm: { readonly x: Value; readonly gain: Parameter; readonly shift: Parameter; readonly epsilon: number };
  /** Inverted dropout in training, the identity in evaluation; its stream of random numbers is named by the layer. */
  dropout: { readonly x: Value; readonly rate: number; readonly name: string };
  softmax: { readonly x: Value };
  concat: { readonly xs: readonly Value[] };
  slice: { readonly x: Value; readonly begin: number };
  multiply: { readonly a: Value; readonly b: Value };
  add: { readonly a: Value; readonly b: Value };
  /** factor · x + offset */
  affine: { readonly x: Value; readonly factor: number; readonly offset: number };
  /** A function of each number; of `sign` nothing goes back. Where the result is not finite, the step is refused. */
  map: { readonly x: Value; readonly of: FunctionName };
  /**
   * The logit of σ(a) σ(b), that of two events of which one is given the other (ESMM's CTCVR, Ma et al. 2018), from
   * their logits.
   */
  productLogit: { readonly a: Value; readonly b: Value };
  /**
   * -[y log σ(z) + (1 - y) log(1 - σ(z))] of each row, for losses that are made of others; the label is never
   * differentiated.
   */
  crossEntropy: { readonly logit: Value; readonly label: Value };
  /** 1 / x; where x is 0, the step is refused. */
  reciprocal: { readonly x: Value };
  /** x kept within bounds; nothing goes back from what lies beyond. */
  clip: { readonly x: Value; readonly low: number; readonly high: number };
  /** The sum over all rows of the batch, in every row: for weights and terms of a loss, not for predictions. */
  batchSum: { readonly x: Value };
  /**
   * log Σ e^x over the rows of the batch that are of a row's group; a row whose group is below 0 is a group of its own.
   * Groups are never differentiated.
   */
  groupLogSumExp: { readonly x: Value; readonly groups: Value };
  /**
   * Of a row of label 1: the mean of log(1 + e^(x_j - x)) over the rows j of its group of another label; 0 where there
   * is none, and of other rows.
   */
  groupPairs: { readonly x: Value; readonly label: Value; readonly groups: Value };
  /** x, from which nothing goes back. */
  stopGradient: { readonly x: Value };
  /** Sum over e of gate[:, e] · experts[e] (Jacobs et al. 1991; Ma et al. 2018, eq. 6). */
  mixture: { readonly gate: Value; readonly experts: readonly Value[] };
  /**
   * AITM's attention over two tokens (Xi et al. 2021, eq. 3-6): softmax over tokens of <q_t, k_t> / √d, weighting v_t.
   */
  attend: {
    readonly tokens: readonly [Value, Value];
    readonly query: Parameter;
    readonly key: Parameter;
    readonly value: Parameter;
  };
  /** Mean over the masked rows of weight · -[y log σ(z) + (1 - y) log(1 - σ(z))]; width 1, one number for the batch. */
  binaryCrossEntropy: Compared & { readonly logit: Value };
  /** Mean over the masked rows of weight · (prediction - label)². */
  squaredError: Compared & { readonly prediction: Value };
  /** Mean over the masked rows of weight · x: of a loss that the graph computes. */
  mean: CountedRows & { readonly x: Value };
}

export type OperationName = keyof Operations;
export type LossName = 'binaryCrossEntropy' | 'squaredError' | 'mean';

/** A value in the graph: the result of one operation. */
export type ValueOf<Name extends OperationName> = Operations[Name] & {
  readonly op: Name;
  /** Position in the graph's list, in which operands come before results. */
  readonly id: number;
  /** Number of columns. */
  readonly width: number;
};

export type Value = { [Name in OperationName]: ValueOf<Name> }[OperationName];
export type LossValue = { [Name in LossName]: ValueOf<Name> }[LossName];

const LOSSES: ReadonlySet<string> = new Set<LossName>(['binaryCrossEntropy', 'squaredError', 'mean']);

/** Whether a value is a loss: one number for the whole batch, not a column. */
export function isLoss(value: Value): value is LossValue {
  return LOSSES.has(value.op);
}
