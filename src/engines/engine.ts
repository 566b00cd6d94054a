import type { Batch } from '../core/batch.js';
import type { InputLayout, TableSpec } from '../tables/layout.js';
import type { TableChanges } from '../tables/row-changes.js';
import type { TableFormat } from '../tables/row-formats.js';
import type { MovedRows } from '../tables/moved-rows.js';
import type { Graph } from '../graph/graph.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { DenseOptimizerSpec, EmbeddingOptimizerSpec } from '../optimizers/optimizers.js';
import type { ProcessGroup } from '../core/process-group.js';
import type { HostTensor } from '../core/tensor.js';
import type { Diagnosis } from './diagnosis.js';
import type { Precision } from './precision.js';

/** Description of a model and its training, for an engine. */
export interface Plan {
  readonly graph: Graph;
  readonly layout: InputLayout;
  readonly optimizers: {
    readonly dense: DenseOptimizerSpec;
    readonly embeddings: EmbeddingOptimizerSpec;
    /** Optimizer of tables of the wide part; default: the optimizer of embeddings. */
    readonly wide?: EmbeddingOptimizerSpec | undefined;
  };
  /** Random seed for initialization and dropout. */
  readonly seed: number;
  /**
   * Whether tables start with zeros, because the program is restored before use. Initialization is most of the startup
   * time.
   */
  readonly isRestored?: boolean;
  /**
   * Rows of tables in shared memory, by the name of their tensor. A program without optimizer state reads them in place
   * if its kernels can, and never writes them; restoring the same tensors leaves them unchanged. A table with spare
   * rows after its own is read in place by all kernels.
   */
  readonly sharedTables?: ReadonlyMap<string, Float32Array>;
  /**
   * Format of the rows of tables, also in a state that is restored and in `sharedTables`: tensors have the shape of the
   * table, and their data has its rows in words (`countRowWords`). Others than `f32` only predict. Default: `f32`.
   */
  readonly tableFormat?: TableFormat | undefined;
  /** Whether the program predicts candidates of a user (`Program.createRanker`), which requires memory. */
  readonly isRanked?: boolean;
  /** Maximum rows per pass, if known. */
  readonly batchRows?: number;
  /** Options of its steps. */
  readonly step?: StepPlan;
  /**
   * Processes that train together. All receive the same batches and results; each computes a part of the rows. Results
   * equal the results of a single process except for the rounding of sums.
   */
  readonly peers?: ProcessGroup | undefined;
  /** Precision of the operands of matrix products in predictions. Default: `f32`. */
  readonly predictionPrecision?: Precision | undefined;
  /** Minimum rows of a table that is sharded among the processes; every process stores smaller tables. */
  readonly dealtRows?: number | undefined;
  /** Rows for the statistics of batch norm in training: the rows of all processes, or of each process. */
  readonly batchNorm?: BatchNormRows | undefined;
}

/**
 * Rows for the mean and variance of batch norm in distributed training: the rows of all processes, or of each process.
 */
export type BatchNormRows = 'global' | 'local';

/** Differences of a step from a single pass whose gradients are applied unchanged. */
export interface StepPlan {
  /** Rows per step, if more than per pass: gradients accumulate, and losses are divided by all rows. */
  readonly rows?: number;
  /** Whether gradients are kept per term until the terms' weights are decided. */
  readonly combinesTerms?: boolean;
  readonly clip?: Clip;
  /** EMA of the weights, used for predictions. */
  readonly average?: Average;
  /** Whether a step may request a diagnosis, which requires memory for the gradients of each term. */
  readonly isDiagnosed?: boolean;
  /** Precision of the operands of matrix products in training. Default: `f32`. */
  readonly precision?: Precision;
}

/**
 * Exponential moving average of the weights after each step: each step weighs `decay` times as much as the next one,
 * and the weights sum to 1 (Kingma & Ba 2015, section 7.2, with the correction of its section 3).
 */
export interface Average {
  readonly decay: number;
}

/** Limits of the gradient. */
export interface Clip {
  /** Maximum norm, of the whole gradient or separately of dense weights and of tables. */
  readonly norm?: number | undefined;
  readonly separate: boolean;
  /** Maximum absolute value of each element. */
  readonly value?: number | undefined;
}

/** Factors of the learning rates. */
export interface RateFactors {
  readonly dense: number;
  readonly embeddings: number;
}

/** Settings that may change between steps. */
export interface StepSettings {
  readonly rates?: RateFactors | undefined;
  /** Weights of the terms' losses, in the order of the graph's terms; default: the weights of the graph. */
  readonly weights?: readonly number[] | undefined;
  /**
   * If the plan combines terms: decides the weights of the terms' gradients on shared weights, from the losses and the
   * products between these gradients (a square matrix in row-major order). Weights of a single term keep its gradient.
   */
  readonly combine?: ((losses: readonly number[], gramian: Float64Array) => readonly number[]) | undefined;
  /**
   * Whether the caller starts further steps before it reads the result. It calls `catchUp` before it awaits the results
   * of fewer than `stepsAhead` steps.
   */
  readonly isAhead?: boolean | undefined;
  /** Whether the step is diagnosed, which costs an additional backward pass per term and changes no result. */
  readonly isDiagnosed?: boolean | undefined;
}

/** Result of a step. */
export interface StepResult {
  /** Losses of each term before the step. */
  readonly losses: ReadonlyMap<string, TermLoss>;
  /**
   * Norms of the gradient before clipping: of the whole gradient, or of its parts if they are clipped separately; NaN
   * if the plan does not clip by norm.
   */
  readonly norms: { readonly dense: number; readonly embeddings: number };
  /** Present if it was requested and the step was not skipped. */
  readonly diagnosis?: Diagnosis | undefined;
}

/** Loss of a term over the rows that it counts. */
export interface TermLoss {
  readonly mean: number;
  readonly rows: number;
}

/** All tensors that training changes, by name. */
export interface ProgramState {
  /** Number of optimizer steps taken. */
  readonly step: number;
  /**
   * Parameters of the graph, and `embeddings.<table>`: the weights for predictions, thus the EMA if the plan has one.
   */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /**
   * State for resuming: `<tensor>.<slot>` of every trained tensor. With an EMA also `<tensor>.trained`, the weights
   * themselves; and for tables `<tensor>.average`, the EMA when a row was last updated, and `<tensor>.averageAge`, the
   * number of steps since then.
   */
  readonly optimizer: ReadonlyMap<string, HostTensor>;
  /**
   * Total rows of sharded tensors, by name: row r is stored on rank r modulo the number of processes. A live state has
   * the rows of this rank, in order; a restored state has all.
   */
  readonly dealt?: ReadonlyMap<string, number>;
}

/** A compiled model with its weights. Calls must not overlap, except steps with `isAhead`. */
export interface Program {
  /**
   * Maximum number of concurrent training steps with `isAhead`; default: 1. The caller may reuse a batch once
   * `trainStep` has returned its promise. If a step is skipped, so are the concurrent ones after it.
   */
  readonly stepsAhead?: number;
  /** Completes all steps in flight: their results are available, and the state includes them. */
  catchUp?(): Promise<void>;
  /**
   * Takes one step of the optimizers. Returns the loss of each term before the step. If a loss, a gradient or a running
   * statistic would not be finite, the step is skipped: the state is unchanged, and no loss is finite.
   */
  trainStep(batch: Batch, settings?: StepSettings): Promise<StepResult>;
  /** Computes predictions by task in evaluation mode: `rows` elements each, owned by the caller. */
  predict(batch: Batch): Promise<ReadonlyMap<string, Float32Array>>;
  /** Like `predict`, but synchronous, if the engine's device supports it at no extra cost. */
  predictSync?(batch: Batch): ReadonlyMap<string, Float32Array>;
  /**
   * Predicts the rows of one pass like `predictSync`, and returns the weights of their items (`Graph.attention`), if
   * the engine supports it.
   */
  attendSync?(batch: Batch): Attended;
  /**
   * Returns a predictor of candidates that share the row of a user, if the plan and the engine support it. It has the
   * weights that were restored last.
   * @param candidateFields fields that differ among candidates; all others are the user's
   */
  createRanker?(candidateFields: ReadonlySet<string>): Ranker;
  /** Computes predictions and the loss of each term in evaluation mode; the batch has labels. */
  evaluate(batch: Batch): Promise<Evaluation>;
  /** Computes the loss of each term in training mode, with the dropout masks of the next step; changes nothing. */
  losses(batch: Batch): Promise<ReadonlyMap<string, TermLoss>>;
  /**
   * Runs `work` with the EMA in place of the weights, if the plan has one. The work may only predict and evaluate. The
   * weights are restored afterwards, also after an error.
   */
  averaged<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Computes what a training step would, without applying it. */
  inspect(batch: Batch): Promise<Inspection>;
  /** Copies weights from a device, so that `state` returns the weights of the last step; `state` throws without it. */
  readBack?(): Promise<void>;
  /**
   * Returns the live state, to be read before the next step. Its tensors may be views or copies, so they must not be
   * written.
   */
  state(): ProgramState;
  /**
   * Clears rows of growing tables (`TableSpec.initialRows`), and initializes those with a new id, after the steps that
   * were started.
   */
  changeRows(changes: TableChanges): void;
  /**
   * Restores weights, and optimizer state if present, from a state of the same model. Without optimizer state, an EMA
   * restarts from the weights.
   * @param moved rows that are read from spare rows of `Plan.sharedTables`; default: none
   * @throws UserError (checkpoint) that names each tensor that is missing, unexpected or of another shape
   */
  restore(state: ProgramState, moved?: MovedRows): void;
  /** Frees memory that the garbage collector does not manage. */
  dispose(): void;
}

/**
 * Predicts candidates of one user at a time, synchronously. Everything that depends on the user alone is computed once.
 * Predictions equal the predictions of whole rows except for rounding.
 */
export interface Ranker {
  /**
   * Fields that a batch of candidates has: those that differ, and sequences of the user that are combined with
   * candidates. All others are in the user's batch.
   */
  readonly candidateFields: ReadonlySet<string>;
  /** Computes the part of a user, a batch of one row. Calls of the program or of its other rankers end its validity. */
  setUser(batch: Batch): void;
  /** Computes predictions by task for candidates of that user: `rows` elements each, owned by the caller. */
  predict(batch: Batch): ReadonlyMap<string, Float32Array>;
}

/** Predictions of rows, with the weights of their items. */
export interface Attended {
  readonly predictions: ReadonlyMap<string, Float32Array>;
  /** In the order of the graph's attention: a weight per item of all rows; NaN for an item that was not selected. */
  readonly attention: readonly Float32Array[];
}

/** Losses and predictions of labeled rows, in evaluation mode. */
export interface Evaluation {
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly losses: ReadonlyMap<string, TermLoss>;
}

/** Losses, predictions (in training mode) and gradients of one batch. */
export interface Inspection {
  readonly losses: ReadonlyMap<string, TermLoss>;
  readonly predictions: ReadonlyMap<string, Float32Array>;
  /** Gradients by tensor name; gradients of tables include zeros. */
  readonly gradients: ReadonlyMap<string, HostTensor>;
}

/** Compiles plans for some hardware. */
export interface Engine {
  readonly name: string;
  /** Hardware and library, for messages. */
  readonly description: string;
  /** Other hardware of this machine that the user may select, if none was selected. */
  readonly hint?: string;
  /** Properties of its device, for run records. */
  readonly about?: Readonly<Record<string, unknown>>;
  /**
   * Starts threads for the next program, while its data is loaded: starting them takes longer than compiling.
   * @returns a function that ends them if no program uses them
   */
  startAhead?(): () => void;
  /**
   * Compiles a plan.
   * @param onWarning called if an option cannot be honored, without effect on results
   */
  compile(plan: Plan, onWarning?: (text: string) => void): Program;
  /**
   * Validates that a plan fits the device, before any allocation, if it has limits besides memory.
   * @throws UserError (data) with the sizes that do not fit
   */
  refuseTooLarge?(plan: Plan): void;
  /** Returns the bytes of a plan besides weights and optimizer state, computed from shapes. */
  activationBytes(plan: Plan): number;
  /** Returns the bytes of tables with their optimizer state that are stored in their own memory; default: 0. */
  externalBytes?(plan: Plan): number;
  /** Maximum bytes of everything else; Infinity if only the machine is a limit. */
  readonly maxBytes: number;
  /** Whether its programs support distributed training. */
  readonly takesPeers: boolean;
  /** Supported precisions of matrix products in training. */
  readonly precisions: readonly Precision[];
  /** Supported precisions of matrix products in predictions; default: `f32`. */
  readonly predictionPrecisions?: readonly Precision[];
  /** Supported formats of tables in predictions; default: `f32`. */
  readonly tableFormats?: readonly TableFormat[];
  /** Missing device features by unsupported precision. */
  readonly lacks?: Readonly<Partial<Record<Precision, string>>>;
}

/** Describes an engine in one line: its hardware and library, and its hint. */
export function engineLine({ description, hint }: Pick<Engine, 'description' | 'hint'>): string {
  return hint === undefined ? description : `${description} (${hint})`;
}

/** Returns the state of a program, copied from its device if necessary. */
export async function readState(program: Program): Promise<ProgramState> {
  await program.readBack?.();
  return program.state();
}

/** Returns the losses of a skipped step: finite ones become NaN. */
export function refusedLosses(losses: ReadonlyMap<string, TermLoss>): Map<string, TermLoss> {
  return new Map(
    [...losses].map(([name, { mean, rows }]) => [name, { mean: Number.isFinite(mean) ? NaN : mean, rows }]),
  );
}

/** Prefix of the names of tables' tensors. */
export const TABLE_PREFIX = 'embeddings.';

/** Returns the name of a table's tensor in a state. */
export function tableTensor(table: string): string {
  return TABLE_PREFIX + table;
}

/** Returns the optimizer of a table. */
export function tableOptimizer(
  { embeddings, wide = embeddings }: Plan['optimizers'],
  { isWide }: Pick<TableSpec, 'isWide'>,
): EmbeddingOptimizerSpec {
  return isWide === true ? wide : embeddings;
}

/** Returns an optimizer without state if a table is frozen. */
export function withoutState(optimizer: Optimizer, { isFrozen }: Pick<TableSpec, 'isFrozen'>): Optimizer {
  return isFrozen === true ? { ...optimizer, slots: [] } : optimizer;
}
