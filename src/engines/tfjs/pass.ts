import type { Tensor } from '@tensorflow/tfjs';
import { column, type Batch } from '../../core/batch.js';
import { findCanceledBiases, listRequired, type Graph } from '../../graph/graph.js';
import { isLoss, type Parameter, type RunningStatistics, type Value } from '../../graph/operations.js';
import { dropoutMask, streamKey } from '../../core/random.js';
import { countElements } from '../../core/tensor.js';
import type { Evaluation, TermLoss } from '../engine.js';
import type { Weights } from '../weights.js';
import type { TensorFlow } from './backend.js';
import { withGradients } from './gradients.js';
import { lossOf, type LossTensors } from './losses.js';
import { execute, type Execution } from './operations.js';
import { readAll, type Numbers } from './read-all.js';

/** The looked-up features of a batch: the batch's rows of `input_BI`. */
export interface Input {
  readonly batch: Batch;
  readonly input_BI: Float32Array;
}

/** Mean and biased variance of a batch, for one normalization. */
export interface BatchStatistics {
  readonly running: RunningStatistics;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  /** Rows of the batch. */
  readonly rows: number;
}

/** Results of a forward and backward pass, on the host. */
export interface TrainingPass {
  readonly losses: ReadonlyMap<string, TermLoss>;
  readonly inputGradient_BI: Float32Array;
  /** Gradients by the name of the trained parameter. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly statistics: readonly BatchStatistics[];
  /** Additional values that were requested: predictions by task, or shares by gate, in row-major order. */
  readonly looked: ReadonlyMap<string, Float32Array>;
}

/** Settings of a pass. */
export interface PassSettings {
  /** Selects the dropout masks, together with the steps taken and the pass of the step. */
  readonly seed: number;
  readonly step: number;
  readonly pass: number;
  /** Weights of the terms' losses. */
  readonly weights: readonly number[];
  /** Rows that the terms' losses are divided by, if not those of this pass. */
  readonly counted: readonly number[] | undefined;
  readonly looksAt?: 'predictions' | 'gates' | 'nothing';
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
  const canceled = findCanceledBiases(graph);
  const isTrained = (parameter: Parameter): boolean => parameter.isTrainable && !canceled.has(parameter);
  const outputs = [...graph.predictions];
  const shares = [...(graph.gates ?? [])].map(([name, gate]) => [name, gate.shares] as const);
  const lookedAt = { predictions: outputs, gates: shares, nothing: [] };
  const needed = (looksAt: keyof typeof lookedAt, hasLosses: boolean): readonly Value[] =>
    listRequired(graph, [
      ...lookedAt[looksAt].map(([, value]) => value),
      ...(hasLosses ? graph.terms.map(({ loss }) => loss) : []),
    ]);
  const forTraining = {
    predictions: needed('predictions', true),
    gates: needed('gates', true),
    nothing: needed('nothing', true),
  };
  const forPrediction = needed('predictions', false);
  const constants = new Map<number, Tensor>();

  const constant = (value: number): Tensor => {
    const known = constants.get(value) ?? tf.keep(tf.scalar(value));
    constants.set(value, known);
    return known;
  };
  /** Uploads a parameter; a vector becomes a row, so that it joins others without an operation. */
  const upload = ({ parameter: { shape }, data }: Weights): Tensor =>
    tf.tensor2d(data, shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!]);
  const uploadInput = ({ batch, input_BI }: Input): Tensor =>
    tf.tensor2d(input_BI, [batch.rows, input_BI.length / batch.rows]);

  /** Computes `values` in order and returns access to their results. */
  const run = (values: readonly Value[], execution: Omit<Execution, 'get' | 'tf' | 'constant'>): Execution => {
    const results = new Map<number, Tensor>();
    const whole: Execution = { ...execution, tf, constant, get: (value) => results.get(value.id)! };
    for (const value of values) if (!isLoss(value)) results.set(value.id, execute(value, whole));
    return whole;
  };

  // A copy: labels may be in shared memory, which not every backend accepts.
  const inputOf =
    (batch: Batch, features: Tensor): Execution['input'] =>
    (source) => {
      if (source.kind === 'items') throw new Error('sequences are rejected when a plan is compiled');
      return source.kind === 'features'
        ? features
        : tf.tensor2d(column(batch.labels, source.column).slice(0, batch.rows), [batch.rows, 1]);
    };

  /** Returns the elements of values by name, once they are read. */
  const numbersOf = (
    named: readonly (readonly [string, Value])[],
    { get }: Execution,
    keep: (tensor: Tensor) => Numbers,
  ): readonly (readonly [string, Numbers])[] => named.map(([name, value]) => [name, keep(get(value))]);
  const keepLoss = ({ mean, rows }: LossTensors, keep: (tensor: Tensor) => Numbers): (() => TermLoss) => {
    const [meanOf, rowsOf] = [keep(mean), typeof rows === 'number' ? undefined : keep(rows)];
    return () => ({ mean: meanOf()[0]!, rows: rowsOf === undefined ? (rows as number) : rowsOf()[0]! });
  };
  const termLosses = (found: readonly (() => TermLoss)[]): Map<string, TermLoss> =>
    new Map(graph.terms.map(({ name }, t) => [name, found[t]?.() ?? { mean: 0, rows: 0 }]));

  /** Computes Σ weight · loss, for its gradient. */
  const minimized = (
    terms: readonly LossTensors[],
    termWeights: readonly number[],
    counted: readonly number[] | undefined,
  ): Tensor => {
    const factors = terms.map(({ rows }, t) => {
      const [weight, all] = [termWeights[t]!, counted?.[t]];
      if (all === undefined) return tf.tensor2d([[weight]]);
      return typeof rows === 'number'
        ? tf.tensor2d([[(weight * Math.max(rows, 1)) / all]])
        : tf.mul(tf.maximum(rows, constant(1)), tf.scalar(weight / all));
    });
    return withGradients(
      tf,
      terms.map(({ mean }) => mean),
      () => ({ value: tf.clone(terms[0]!.mean), saved: factors, gradients: (_, saved) => [...saved] }),
    );
  };

  const evaluated = async (input: Input, hasLosses: boolean): Promise<Evaluation> => {
    const { predictions, losses } = await readAll(tf, (keep) => {
      const parameters = new Map(weights.map((weight) => [weight.parameter, upload(weight)]));
      const execution = run(hasLosses ? forTraining.predictions : forPrediction, {
        isTraining: false,
        input: inputOf(input.batch, uploadInput(input)),
        parameter: (parameter) => parameters.get(parameter)!,
        isTrained: () => false,
        observe: unreachable,
        dropoutMask: unreachable,
      });
      return {
        predictions: numbersOf(outputs, execution, keep),
        losses: (hasLosses ? graph.terms : []).map(({ loss }) => keepLoss(lossOf(loss, execution), keep)),
      };
    });
    return { predictions: read(predictions), losses: termLosses(losses) };
  };

  return {
    predict: (input) => evaluated(input, false),
    evaluate: (input) => evaluated(input, true),

    async train(input, { seed, step, pass, weights: termWeights, counted, looksAt = 'nothing' }) {
      const { batch } = input;
      const observed: { readonly running: RunningStatistics; readonly mean: Numbers; readonly variance: Numbers }[] =
        [];
      const { found, looked, inputGradient_BI, gradients } = await readAll(tf, (keep) => {
        const features = uploadInput(input);
        const tensors = new Map(
          weights.filter(({ parameter }) => parameter.isTrainable).map((weight) => [weight.parameter, upload(weight)]),
        );
        let found: readonly (() => TermLoss)[] = [];
        let looked: ReturnType<typeof numbersOf> = [];
        const loss = (): Tensor => {
          const execution = run(forTraining[looksAt], {
            isTraining: true,
            input: inputOf(batch, features),
            parameter: (parameter) => tensors.get(parameter)!,
            isTrained,
            observe: (running, mean, variance) =>
              void observed.push({ running, mean: keep(mean), variance: keep(variance) }),
            dropoutMask: (name, rate, width) => {
              const mask = new Float32Array(batch.rows * width);
              dropoutMask(mask, rate, streamKey(seed, 'dropout', name, step, ...(pass > 0 ? [pass] : [])));
              return tf.tensor2d(mask, [batch.rows, width]);
            },
          });
          looked = numbersOf(lookedAt[looksAt], execution, keep);
          const terms = graph.terms.map((term) => lossOf(term.loss, execution));
          found = terms.map((term) => keepLoss(term, keep));
          return minimized(terms, termWeights, counted);
        };
        const differentiated = [...tensors].filter(([parameter]) => isTrained(parameter));
        // `tf.grads` rejects a parameter on which no loss depends, whose gradient is 0.
        const { grads } = tf
          .engine()
          .gradients(loss, [features, ...differentiated.map(([, tensor]) => tensor)], undefined, true) as {
          readonly grads: readonly (Tensor | undefined)[];
        };
        const [inputGradient_BI, ...gradients] = grads.map((gradient) => gradient && keep(gradient));
        return {
          found,
          looked,
          inputGradient_BI,
          gradients: new Map(differentiated.map(([{ name }], i) => [name, gradients[i]])),
        };
      });
      return {
        losses: termLosses(found),
        looked: read(looked),
        inputGradient_BI: inputGradient_BI?.() ?? new Float32Array(input.input_BI.length),
        gradients: new Map(
          graph.parameters
            .filter((each) => each.isTrainable)
            .map(({ name, shape }) => [name, gradients.get(name)?.() ?? new Float32Array(countElements(shape))]),
        ),
        statistics: observed.map(({ running, mean, variance }) => ({
          running,
          mean: mean(),
          variance: variance(),
          rows: batch.rows,
        })),
      };
    },

    dispose() {
      tf.dispose([...constants.values()]);
      constants.clear();
    },
  };
}

function read(numbers: readonly (readonly [string, Numbers])[]): Map<string, Float32Array> {
  return new Map(numbers.map(([name, numbersOf]) => [name, numbersOf()]));
}

function unreachable(): never {
  throw new Error('evaluation needs no statistics and no dropout');
}
