import type { Tensor } from '@tensorflow/tfjs';
import { findCanceledBiases, listRequired, type Graph, type Term } from '../../graph/graph.js';
import { findLookups, type Lookups } from '../../graph/lookups.js';
import { isLoss, type Parameter, type RunningStatistics, type Value } from '../../graph/operations.js';
import { dropoutMask, streamKey } from '../../core/random.js';
import { countElements } from '../../core/tensor.js';
import type { Evaluation, TermLoss } from '../engine.js';
import type { LookedUp } from '../host.js';
import type { Weights } from '../weights.js';
import type { TensorFlow } from './backend.js';
import type { Execution } from './execution.js';
import { withGradients } from './gradients.js';
import { uploadInputs, uploadLabel, withSegments, type Input } from './inputs.js';
import { computeLoss, type LossTensors } from './losses.js';
import { execute } from './operations.js';
import { readAll, type Numbers } from './read-all.js';

/** Mean and biased variance over some rows, for one normalization. */
export interface BatchStatistics {
  readonly running: RunningStatistics;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  /** Rows of the batch, or items of a sequence. */
  readonly rows: number;
}

/** Results of a forward and backward pass, on the host. */
export interface TrainingPass {
  readonly losses: ReadonlyMap<string, TermLoss>;
  /** Gradients of looked-up rows. */
  readonly lookedUpGradient: LookedUp;
  /** Gradients by the name of the trained parameter. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly statistics: readonly BatchStatistics[];
  /** Additional values that were requested: predictions by task, or shares by gate, in row-major order. */
  readonly looked: ReadonlyMap<string, Float32Array>;
}

/** Statistics that are read later. */
interface Observed extends Pick<BatchStatistics, 'running' | 'rows'> {
  readonly mean: Numbers;
  readonly variance: Numbers;
}

/** Values that a pass returns besides losses and gradients. */
type LooksAt = 'predictions' | 'gates' | 'nothing';

/** Settings of a pass. */
export interface PassSettings {
  /** Selects the dropout masks, together with the steps taken and the pass of the step. */
  readonly seed: number;
  readonly step: number;
  readonly pass: number;
  /** Weights of the terms' losses. */
  readonly weights: readonly number[];
  /** Rows that the terms' losses are divided by, if not the rows of this pass. */
  readonly counted: readonly number[] | undefined;
  readonly looksAt?: LooksAt;
}

/**
 * Runs a graph on TensorFlow.js. A pass disposes all tensors except cached constants, and reads from the device once.
 */
export interface Runner {
  /** Computes predictions in evaluation mode; losses have no rows. */
  predict(input: Input): Promise<Evaluation>;
  /** Computes predictions and losses in evaluation mode. */
  evaluate(input: Input): Promise<Evaluation>;
  /** Computes losses and gradients in training mode. */
  train(input: Input, settings: PassSettings): Promise<TrainingPass>;
  /** Disposes the cached tensors. */
  dispose(): void;
}

/** Creates a runner over weights in host memory. */
export function createRunner(tf: TensorFlow, graph: Graph, weights: readonly Weights[]): Runner {
  return new GraphRunner(tf, graph, weights);
}

type Keep = (tensor: Tensor) => Numbers;
type Named<Each> = readonly (readonly [string, Each])[];

class GraphRunner implements Runner {
  readonly #tf: TensorFlow;
  readonly #graph: Graph;
  readonly #weights: readonly Weights[];
  readonly #canceled: ReadonlySet<Parameter>;
  readonly #lookups: Lookups;
  readonly #lookedAt: Readonly<Record<LooksAt, Named<Value>>>;
  /** Values that results and losses require, in order; and those that predictions alone require. */
  readonly #withLosses: Readonly<Record<LooksAt, readonly Value[]>>;
  readonly #forPrediction: readonly Value[];
  /** Scalars that are uploaded once. */
  readonly #constants = new Map<number, Tensor>();

  constructor(tf: TensorFlow, graph: Graph, weights: readonly Weights[]) {
    this.#tf = tf;
    this.#graph = graph;
    this.#weights = weights;
    this.#canceled = findCanceledBiases(graph);
    this.#lookups = findLookups(graph);
    this.#lookedAt = {
      predictions: [...graph.predictions],
      gates: [...(graph.gates ?? [])].map(([name, { shares }]) => [name, shares] as const),
      nothing: [],
    };
    const required = (looksAt: LooksAt, terms: readonly Term[]): readonly Value[] =>
      listRequired(graph, [...this.#lookedAt[looksAt].map(([, value]) => value), ...terms.map(({ loss }) => loss)]);
    this.#forPrediction = required('predictions', []);
    this.#withLosses = {
      predictions: required('predictions', graph.terms),
      gates: required('gates', graph.terms),
      nothing: required('nothing', graph.terms),
    };
  }

  predict(input: Input): Promise<Evaluation> {
    return this.#evaluate(input, []);
  }

  evaluate(input: Input): Promise<Evaluation> {
    return this.#evaluate(input, this.#graph.terms);
  }

  async train(input: Input, settings: PassSettings): Promise<TrainingPass> {
    const tf = this.#tf;
    const { losses, looked, statistics, lookedUpGradient, gradients } = await withSegments(
      tf,
      input.batch,
      (segments) => readAll(tf, (keep) => this.#differentiate(input, settings, segments, keep)),
    );
    return {
      losses: this.#termLosses(losses),
      looked: read(looked),
      lookedUpGradient: lookedUpGradient(),
      gradients: new Map(
        this.#graph.parameters
          .filter((each) => each.isTrainable)
          .map(({ name, shape }) => [name, gradients.get(name)?.() ?? new Float32Array(countElements(shape))]),
      ),
      statistics: statistics.map((each) => ({ ...each, mean: each.mean(), variance: each.variance() })),
    };
  }

  dispose(): void {
    this.#tf.dispose([...this.#constants.values()]);
    this.#constants.clear();
  }

  async #evaluate(input: Input, terms: readonly Term[]): Promise<Evaluation> {
    const tf = this.#tf;
    const { predictions, losses } = await withSegments(tf, input.batch, (segments) =>
      readAll(tf, (keep) => {
        const parameters = new Map(this.#weights.map((weight) => [weight.parameter, this.#upload(weight)]));
        const values = terms.length === 0 ? this.#forPrediction : this.#withLosses.predictions;
        const execution = this.#run(values, uploadInputs(tf, input.lookedUp), {
          isTraining: false,
          label: (name) => uploadLabel(tf, input.batch, name),
          segments,
          parameter: (parameter) => parameters.get(parameter)!,
          isTrained: () => false,
          observe: unreachable,
          dropoutMask: unreachable,
        });
        return {
          predictions: keepValues(this.#lookedAt.predictions, execution, keep),
          losses: terms.map(({ loss }) => keepLoss(computeLoss(loss, execution), keep)),
        };
      }),
    );
    return { predictions: read(predictions), losses: this.#termLosses(losses) };
  }

  /** Runs the forward and backward pass of a batch; all results are read later. */
  #differentiate(input: Input, settings: PassSettings, segments: Execution['segments'], keep: Keep) {
    const tf = this.#tf;
    const { weights: termWeights, counted, looksAt = 'nothing' } = settings;
    const { terms } = this.#graph;
    const statistics: Observed[] = [];
    const inputs = uploadInputs(tf, input.lookedUp);
    const trainedInputs = [...inputs].filter(([value]) => value.op !== 'input' || value.source.kind !== 'factors');
    const tensors = new Map(
      this.#weights
        .filter(({ parameter }) => parameter.isTrainable)
        .map((weight) => [weight.parameter, this.#upload(weight)]),
    );
    // Parameters that are not trained are uploaded if an operation reads them: running statistics are not.
    const uploadFixed = (parameter: Parameter): Tensor =>
      this.#upload(this.#weights.find((weight) => weight.parameter === parameter)!);
    let losses: readonly (() => TermLoss)[] = [];
    let looked: Named<Numbers> = [];
    const loss = (): Tensor => {
      const execution = this.#run(this.#withLosses[looksAt], inputs, {
        isTraining: true,
        label: (name) => uploadLabel(tf, input.batch, name),
        segments,
        parameter: (parameter) => tensors.get(parameter) ?? uploadFixed(parameter),
        isTrained: (parameter) => this.#isTrained(parameter),
        observe(running, mean, variance, rows) {
          // A batch without items has no statistics of them.
          if (rows > 0) statistics.push({ running, mean: keep(mean), variance: keep(variance), rows });
        },
        dropoutMask: (name, rate, rows, width) => uploadMask(tf, settings, name, rate, [rows, width]),
      });
      looked = keepValues(this.#lookedAt[looksAt], execution, keep);
      const found = terms.map((term) => computeLoss(term.loss, execution));
      losses = found.map((each) => keepLoss(each, keep));
      return this.#minimized(found, termWeights, counted);
    };
    const differentiated = [...tensors].filter(([parameter]) => this.#isTrained(parameter));
    // `tf.grads` rejects a parameter on which no loss depends, whose gradient is 0.
    const { grads } = tf.engine().gradients(
      loss,
      [...trainedInputs, ...differentiated].map(([, tensor]) => tensor),
      undefined,
      true,
    ) as {
      readonly grads: readonly (Tensor | undefined)[];
    };
    const all = grads.map((gradient) => gradient && keep(gradient));
    const ofParameters = all.slice(trainedInputs.length);
    return {
      losses,
      looked,
      statistics,
      lookedUpGradient: () =>
        new Map(
          trainedInputs.map(([value], i) => [value, all[i]?.() ?? new Float32Array(input.lookedUp.get(value)!.length)]),
        ),
      gradients: new Map(differentiated.map(([{ name }], i) => [name, ofParameters[i]])),
    };
  }

  /** Computes values in order, except those that were looked up, and returns access to them. */
  #run(
    values: readonly Value[],
    lookedUp: ReadonlyMap<Value, Tensor>,
    execution: Omit<Execution, 'get' | 'tf' | 'constant'>,
  ): Execution {
    const results = new Map(lookedUp);
    const whole: Execution = {
      ...execution,
      tf: this.#tf,
      constant: (value) => this.#constant(value),
      get: (value) => results.get(value)!,
    };
    const { unread } = this.#lookups;
    for (const value of values)
      if (!isLoss(value) && !lookedUp.has(value) && !unread.has(value)) results.set(value, execute(value, whole));
    return whole;
  }

  /** Computes Σ weight · loss, for its gradient. */
  #minimized(
    terms: readonly LossTensors[],
    termWeights: readonly number[],
    counted: readonly number[] | undefined,
  ): Tensor {
    const tf = this.#tf;
    const factors = terms.map(({ rows }, t) => {
      const [weight, all] = [termWeights[t]!, counted?.[t]];
      if (all === undefined) return tf.tensor2d([[weight]]);
      return typeof rows === 'number'
        ? tf.tensor2d([[(weight * Math.max(rows, 1)) / all]])
        : tf.mul(tf.maximum(rows, this.#constant(1)), tf.scalar(weight / all));
    });
    return withGradients(
      tf,
      terms.map(({ mean }) => mean),
      () => ({ value: tf.clone(terms[0]!.mean), saved: factors, gradients: (_, saved) => [...saved] }),
    );
  }

  #termLosses(found: readonly (() => TermLoss)[]): Map<string, TermLoss> {
    return new Map(this.#graph.terms.map(({ name }, t) => [name, found[t]?.() ?? { mean: 0, rows: 0 }]));
  }

  #isTrained(parameter: Parameter): boolean {
    return parameter.isTrainable && !this.#canceled.has(parameter);
  }

  #constant(value: number): Tensor {
    const known = this.#constants.get(value) ?? this.#tf.keep(this.#tf.scalar(value));
    this.#constants.set(value, known);
    return known;
  }

  /** Uploads a parameter; a vector becomes a row, so that it joins others without an operation. */
  #upload({ parameter: { shape }, data }: Weights): Tensor {
    return this.#tf.tensor2d(data, shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!]);
  }
}

/** Uploads the factors of a dropout in a pass. */
function uploadMask(
  tf: TensorFlow,
  { seed, step, pass }: PassSettings,
  name: string,
  rate: number,
  shape: [number, number],
): Tensor {
  const mask = new Float32Array(countElements(shape));
  dropoutMask(mask, rate, streamKey(seed, 'dropout', name, step, ...(pass > 0 ? [pass] : [])));
  return tf.tensor2d(mask, shape);
}

/** Returns the elements of values by name, once they are read. */
function keepValues(named: Named<Value>, { get }: Execution, keep: Keep): Named<Numbers> {
  return named.map(([name, value]) => [name, keep(get(value))]);
}

function keepLoss({ mean, rows }: LossTensors, keep: Keep): () => TermLoss {
  const [meanOf, rowsOf] = [keep(mean), typeof rows === 'number' ? undefined : keep(rows)];
  return () => ({ mean: meanOf()[0]!, rows: rowsOf === undefined ? (rows as number) : rowsOf()[0]! });
}

function read(numbers: Named<Numbers>): Map<string, Float32Array> {
  return new Map(numbers.map(([name, numbersOf]) => [name, numbersOf()]));
}

function unreachable(): never {
  throw new Error('evaluation needs no statistics and no dropout');
}
