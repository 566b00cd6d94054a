import type { Batch } from '../core/batch.js';
import type { InputLayout, TableSpec } from '../tables/layout.js';
import type { Graph } from '../graph/graph.js';
import type { DenseOptimizerSpec, EmbeddingOptimizerSpec } from '../optimizers/optimizers.js';
import type { ProcessGroup } from '../core/process-group.js';
import type { HostTensor } from '../core/tensor.js';
import type { Diagnosis } from './diagnosis.js';
import type { Precision } from './precision.js';

/** Everything that an engine needs to know of a model. */
export interface Plan {
  readonly graph: Graph;
  readonly layout: InputLayout;
  readonly optimizers: {
    readonly dense: DenseOptimizerSpec;
    readonly embeddings: EmbeddingOptimizerSpec;
    /** Of tables that heads add up; that of embeddings where it is not given. */
    readonly wide?: EmbeddingOptimizerSpec | undefined;
  };
  /** Decides the first weights and every dropout mask. */
  readonly seed: number;
  /**
   * Whether the tables' first rows are not drawn, but 0: of a program that is restored before it is used, drawing is
   * most of the time to start it.
   */
  readonly isRestored?: boolean;
  /** Rows of the largest batch that passes at once, where it is known. */
  readonly batchRows?: number;
  /** What is special about its steps, if anything is. */
  readonly step?: StepPlan;
  /**
   * The processes that take its steps together, where there are several. All give the same batches and get the same
   * results, as one
   * of them would that is alone, but for how sums are rounded; each computes with its part of the rows.
   */
  readonly peers?: ProcessGroup | undefined;
  /** Rows from which on a table is dealt out among them; smaller ones each of them has. */
  readonly dealtRows?: number | undefined;
  /** Whose rows of a batch its statistics are of where they train: everyone's, or each process's own. */
  readonly batchNorm?: BatchNormRows | undefined;
}

/** Of whose rows batch norm takes mean and variance where several processes train. */
export type BatchNormRows = 'global' | 'local';

/** How steps differ from one pass of one batch whose gradients are applied as they are. */
export interface StepPlan {
  /**
   * Rows of a step, where it takes more of them than pass at once: gradients accumulate, and losses are divided by all
   * rows.
   */
  readonly rows?: number;
  /** Whether the gradient of each term is kept apart until their weights are decided. */
  readonly combinesTerms?: boolean;
  readonly clip?: Clip;
  /** An average of the weights is kept, and is what predictions are made with. */
  readonly average?: Average;
  /** Whether a step may be asked for its diagnosis: the gradients of terms then have room apart. */
  readonly isDiagnosed?: boolean;
  /** What its matrix products take; predictions are in single precision in any case. `f32` where it is not given. */
  readonly precision?: Precision;
}

/**
 * An exponential average of the weights that steps have left: each step weighs `decay` times as much as the one after
 * it, and all of
 * them together 1 (Kingma & Ba 2015, section 7.2, with the correction of its section 3).
 */
export interface Average {
  readonly decay: number;
}

/** Limits of the gradient. */
export interface Clip {
  /** Of its norm, over everything or apart for dense weights and tables. */
  readonly norm?: number | undefined;
  readonly separate: boolean;
  /** Of the size of each number in it. */
  readonly value?: number | undefined;
}

/** Factors of the learning rates. */
export interface RateFactors {
  readonly dense: number;
  readonly embeddings: number;
}

/** What may change from step to step. */
export interface StepSettings {
  readonly rates?: RateFactors | undefined;
  /** Of the terms' losses, in the order of the graph's terms; where it is not given, those of the graph. */
  readonly weights?: readonly number[] | undefined;
  /**
   * Decides, where the plan combines terms, the weights of their gradients on what they share, from the losses and the
   * products
   * between these gradients (a square, row by row). What belongs to one term alone keeps its own gradient.
   */
  readonly combine?: ((losses: readonly number[], gramian: Float64Array) => readonly number[]) | undefined;
  /**
   * Whether the caller begins further steps before it looks at the result, and lets the program `catchUp` before it
   * waits for the results of
   * fewer than `stepsAhead` of them.
   */
  readonly isAhead?: boolean | undefined;
  /** Whether the step is diagnosed, which costs a pass back a term beside what it costs anyway, and changes nothing. */
  readonly isDiagnosed?: boolean | undefined;
}

/** What a step found. */
export interface StepResult {
  /** Of each term, before the step. */
  readonly losses: ReadonlyMap<string, TermLoss>;
  /**
   * Of the gradient, before it was clipped: of all of it, or of its parts where they are clipped apart; NaN where the
   * plan does not clip by norm.
   */
  readonly norms: { readonly dense: number; readonly embeddings: number };
  /** Where it was asked for and the step was taken. */
  readonly diagnosis?: Diagnosis | undefined;
}

/** A term's loss over the rows of a batch that it counts. */
export interface TermLoss {
  readonly mean: number;
  readonly rows: number;
}

/** All that training changes, by tensor name. */
export interface ProgramState {
  /** Optimizer steps taken. */
  readonly step: number;
  /**
   * Parameters of the graph, and `embeddings.<table>`: what predictions are made with, so where the plan keeps an
   * average, that.
   */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /**
   * What it takes to go on: `<tensor>.<slot>` of every trained tensor. Where the plan keeps an average, also
   * `<tensor>.trained`, the
   * weights themselves; and of tables `<tensor>.average` as it was when a row was last touched, and
   * `<tensor>.averageAge`, how many
   * steps ago that was.
   */
  readonly optimizer: ReadonlyMap<string, HostTensor>;
  /**
   * Total rows of sharded tensors, by name: row r is stored on rank r modulo the number of processes. A live state has
   * the rows of this rank, in order; a restored state has all.
   */
  readonly dealt?: ReadonlyMap<string, number>;
}

/** A compiled model with its weights. One call at a time, but for steps that are taken ahead. */
export interface Program {
  /**
   * Training steps that may be under way at once where they ask for it (`isAhead`); none but one where this is left
   * out. Their batches are the
   * caller's again when `trainStep` gives its promise. Once a step is refused, so are those that are under way behind
   * it.
   */
  readonly stepsAhead?: number;
  /** Ends the steps that are under way: their results are there then, and the state is theirs. */
  catchUp?(): Promise<void>;
  /**
   * One step of the optimizers; gives the loss of each term before the step. Where one of them, a gradient, or what the
   * step
   * would make of a running statistic, is not finite, the step is not taken: the state stays as it was, and no loss is
   * finite.
   */
  trainStep(batch: Batch, settings?: StepSettings): Promise<StepResult>;
  /** Predictions by task, in evaluation mode; `rows` numbers each, the caller's to keep. */
  predict(batch: Batch): Promise<ReadonlyMap<string, Float32Array>>;
  /** The same at once, where the engine's device can; it then costs no more than the promise would. */
  predictSync?(batch: Batch): ReadonlyMap<string, Float32Array>;
  /** The same, and the loss of each term; the batch has labels. */
  evaluate(batch: Batch): Promise<Evaluation>;
  /** The loss of each term in training mode, with the masks of the next step; nothing is changed. */
  losses(batch: Batch): Promise<ReadonlyMap<string, TermLoss>>;
  /**
   * Does some work with the average in the place of the weights, where the plan keeps one. It may predict and evaluate,
   * and nothing else:
   * what is trained is back when it is over, however it ends.
   */
  averaged<Result>(work: () => Promise<Result>): Promise<Result>;
  /** What a training step would compute and apply, with nothing applied: for tests and for looking. */
  inspect(batch: Batch): Promise<Inspection>;
  /**
   * Brings what `state` gives up to the last step, where the weights lie on a device of their own: there `state` throws
   * without.
   */
  readBack?(): Promise<void>;
  /**
   * The live state, to be read before the next step; its tensors may be views or copies, so writing to them is of no
   * use.
   */
  state(): ProgramState;
  /**
   * Takes weights, and optimizer state where there is some, from a state of the same model. Without, an average starts
   * from the weights.
   * @throws UserError (checkpoint) that names a tensor that is missing, left over or of another shape
   */
  restore(state: ProgramState): void;
  /** Gives back what lies outside the garbage collector's reach. */
  dispose(): void;
}

/** What the weights make of labeled rows, in evaluation mode. */
export interface Evaluation {
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly losses: ReadonlyMap<string, TermLoss>;
}

/** Losses, predictions (in training mode) and gradients of one batch. */
export interface Inspection {
  readonly losses: ReadonlyMap<string, TermLoss>;
  readonly predictions: ReadonlyMap<string, Float32Array>;
  /** By tensor name, tables with their zeros. */
  readonly gradients: ReadonlyMap<string, HostTensor>;
}

/** Something that can run a graph. */
export interface Engine {
  readonly name: string;
  /** Which hardware and which library it runs on, for people. */
  readonly description: string;
  /** Other hardware of this machine that a user may name, if none was named. */
  readonly hint?: string;
  /** What is known of its device, for the records. */
  readonly about?: Readonly<Record<string, unknown>>;
  /**
   * Starts threads for its next program, which takes longer than compiling it: they are there when its data is.
   * @returns ends them, where no program has taken them
   */
  startAhead?(): () => void;
  /** @param onWarning told of what is not as it was asked for, and changes no result */
  compile(plan: Plan, onWarning?: (text: string) => void): Program;
  /**
   * Looks whether its device takes a plan, before anything is allocated, where more than memory may be short.
   * @throws UserError (data) with the sizes that do not fit
   */
  refuseTooLarge?(plan: Plan): void;
  /** Bytes that a plan takes beside weights and optimizer, computed from its shapes. */
  activationBytes(plan: Plan): number;
  /** Bytes of its tables, with what is kept for them, that lie in memory of their own; none where it is left out. */
  apartBytes?(plan: Plan): number;
  /** The most that all of it but what lies apart may take together; Infinity where the machine alone sets the limit. */
  readonly maxBytes: number;
  /** Whether its programs take steps together with those of other processes. */
  readonly takesPeers: boolean;
  /** What the matrix products of its steps may take. */
  readonly precisions: readonly Precision[];
  /** Of those that it has not, what its device lacks. */
  readonly lacks?: Readonly<Partial<Record<Precision, string>>>;
}

/** Describes an engine in one line: its hardware and library, and its hint. */
export function engineLine({ description, hint }: Pick<Engine, 'description' | 'hint'>): string {
  return hint === undefined ? description : `${description} (${hint})`;
}

/** The state of a program wherever it lies. */
export async function readState(program: Program): Promise<ProgramState> {
  await program.readBack?.();
  return program.state();
}

/** The losses of a step that was not taken: those that are finite become NaN. */
export function refusedLosses(losses: ReadonlyMap<string, TermLoss>): Map<string, TermLoss> {
  return new Map(
    [...losses].map(([name, { mean, rows }]) => [name, { mean: Number.isFinite(mean) ? NaN : mean, rows }]),
  );
}

/** The name of a table's tensor in a state. */
export function tableTensor(table: string): string {
  return `embeddings.${table}`;
}

/** The optimizer of a table. */
export function tableOptimizer(
  { embeddings, wide = embeddings }: Plan['optimizers'],
  { isWide }: Pick<TableSpec, 'isWide'>,
): EmbeddingOptimizerSpec {
  return isWide === true ? wide : embeddings;
}
