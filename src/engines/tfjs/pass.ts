import type { Tensor } from '@tensorflow/tfjs';
import { column, type Batch } from '../../batch.js';
import { cancelledBiases, neededFor, type Graph } from '../../graph/graph.js';
import { isLoss, type RunningStatistics, type Value } from '../../graph/operations.js';
import { dropoutMask, streamKey } from '../../random.js';
import type { Evaluation, TermLoss } from '../engine.js';
import type { Weights } from '../weights.js';
import type { TensorFlow } from './backend.js';
import { lossOf, type LossTensors } from './losses.js';
import { execute, type Execution } from './operations.js';

/** The looked-up features of a batch: the batch's rows of `input_BI`. */
export interface Input {
  readonly batch: Batch;
  readonly input_BI: Float32Array;
}

/** Mean and biased variance of a batch, for one normalisation. */
export interface BatchStatistics {
  readonly running: RunningStatistics;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  /** Of the batch. */
  readonly rows: number;
}

/** What a forward and backward pass leaves on the host. */
export interface TrainingPass {
  readonly losses: ReadonlyMap<string, TermLoss>;
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly inputGradient_BI: Float32Array;
  /** By the name of the trained parameter. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly statistics: readonly BatchStatistics[];
  /** By gate of the graph, where they are looked at: its shares, row by row. */
  readonly gates: ReadonlyMap<string, Float32Array>;
}

/** What a pass is run with. */
export interface PassSettings {
  /** They choose the dropout masks: the seed, steps taken, and which pass of the step it is. */
  readonly seed: number;
  readonly step: number;
  readonly pass: number;
  /** Of the terms' losses. */
  readonly weights: readonly number[];
  /** Rows that the terms' losses are divided by, where they are not those of this pass. */
  readonly counted: readonly number[] | undefined;
  readonly looksAtGates?: boolean;
}

/** Runs a graph on TensorFlow.js; every tensor that a pass makes is gone when it returns. */
export interface Runner {
  /** Predictions in evaluation mode; losses without rows. */
  predict(input: Input): Promise<Evaluation>;
  /** Predictions and losses in evaluation mode. */
  evaluate(input: Input): Promise<Evaluation>;
  /** Losses and gradients in training mode. */
  train(input: Input, settings: PassSettings): Promise<TrainingPass>;
}

/** A runner over weights that live in plain memory. */
export function createRunner(tf: TensorFlow, graph: Graph, weights: readonly Weights[]): Runner {
  const trained = weights.filter((weight) => weight.parameter.isTrainable);
  const tasks = [...graph.predictions.keys()];
  const outputs = [...graph.predictions.values()];
  const cancelled = new Set([...cancelledBiases(graph)].map(({ name }) => name));
  const forPrediction = neededFor(graph, outputs);
  const gates = [...(graph.gates ?? [])];
  const shares = gates.map(([, gate]) => gate.shares);
  const forTraining = neededFor(graph, [...outputs, ...graph.terms.map((term) => term.loss), ...shares]);

  const upload = ({ parameter, data }: Weights): Tensor => tf.tensor(data, [...parameter.shape], 'float32');
  const uploadInput = ({ batch, input_BI }: Input): Tensor => tf.tensor2d(input_BI, [batch.rows, input_BI.length / batch.rows]);

  /** Computes `values` in order and gives the way to their results. */
  const run = (values: readonly Value[], execution: Omit<Execution, 'get' | 'tf'>): Execution => {
    const results = new Map<number, Tensor>();
    const whole: Execution = { ...execution, tf, get: (value) => results.get(value.id)! };
    for (const value of values) if (!isLoss(value)) results.set(value.id, execute(value, whole));
    return whole;
  };

  const inputOf = (batch: Batch, features: Tensor): Execution['input'] => (source) =>
    source.kind === 'features' ? features : tf.tensor2d(column(batch.labels, source.column).subarray(0, batch.rows), [batch.rows, 1]);

  const evaluated = async (input: Input, hasLosses: boolean): Promise<Evaluation> => {
    const results = tf.tidy(() => {
      const parameters = new Map(weights.map((weight) => [weight.parameter.name, upload(weight)]));
      const execution = run(hasLosses ? forTraining : forPrediction, {
        isTraining: false,
        input: inputOf(input.batch, uploadInput(input)),
        parameter: ({ name }) => column(parameters, name),
        observe: unreachable,
        dropoutMask: unreachable,
      });
      const losses = (hasLosses ? graph.terms : []).flatMap(({ loss }) => lossTensors(lossOf(loss, execution)));
      // A clone, since two tasks may share a value and an output may be an input.
      return [...outputs.map((value) => tf.clone(execution.get(value))), ...losses];
    });
    const values = await takeAll(tf, results);
    const losses = values.slice(outputs.length).map(([value]) => value!);
    return {
      predictions: byName(tasks, values.slice(0, outputs.length)),
      losses: new Map(graph.terms.map(({ name }, t) => [name, { mean: losses[2 * t] ?? 0, rows: losses[2 * t + 1] ?? 0 }])),
    };
  };

  return {
    predict: (input) => evaluated(input, false),
    evaluate: (input) => evaluated(input, true),

    async train(input, { seed, step, pass, weights: termWeights, counted, looksAtGates = false }) {
      const { batch } = input;
      const kept: Tensor[] = [];
      const observed: RunningStatistics[] = [];
      const keep = (tensor: Tensor): void => void kept.push(tf.keep(tf.clone(tensor)));

      const gradients = tf.tidy(() => {
        const features = uploadInput(input);
        const tensors = trained.map(upload);
        const loss = (): Tensor => {
          const parameters = new Map(trained.map(({ parameter }, i) => [parameter.name, tensors[i]!]));
          const execution = run(forTraining, {
            isTraining: true,
            input: inputOf(batch, features),
            parameter: ({ name }) => column(parameters, name),
            observe: (running, mean, variance) => {
              observed.push(running);
              keep(mean);
              keep(variance);
            },
            dropoutMask: (name, rate, width) => {
              const mask = new Float32Array(batch.rows * width);
              dropoutMask(mask, rate, streamKey(seed, 'dropout', name, step, ...(pass > 0 ? [pass] : [])));
              return tf.tensor2d(mask, [batch.rows, width]);
            },
          });
          for (const value of outputs) keep(execution.get(value));
          const terms = graph.terms.map(({ loss }, t) => {
            const { mean, rows } = lossOf(loss, execution);
            keep(mean);
            keep(rows);
            const factor = counted === undefined ? termWeights[t]! : tf.div(tf.mul(tf.maximum(rows, 1), termWeights[t]!), counted[t]!);
            return tf.mul(mean, factor);
          });
          if (looksAtGates) for (const value of shares) keep(execution.get(value));
          return tf.addN(terms);
        };
        const all = [features, ...tensors];
        // Not `tf.grads`: that one refuses a parameter that no loss depends on, whose gradient is 0.
        const { grads } = tf.engine().gradients(loss, all, undefined, true) as { readonly grads: readonly (Tensor | undefined)[] };
        return all.map((tensor, i) => grads[i] ?? tf.zerosLike(tensor));
      });

      const [inputGradient_BI, ...weightGradients] = await takeAll(tf, gradients);
      const values = await takeAll(tf, kept);
      // In the order in which they were kept.
      const next = (): Float32Array => values.shift()!;
      const statistics = observed.map((running) => ({ running, mean: next(), variance: next(), rows: batch.rows }));
      const predictions = byName(tasks, tasks.map(next));
      const losses = new Map(graph.terms.map(({ name }) => [name, { mean: next()[0]!, rows: next()[0]! }]));
      const gateShares = new Map((looksAtGates ? gates : []).map(([name]) => [name, next()]));
      const names = trained.map(({ parameter }) => parameter.name);
      names.forEach((name, i) => cancelled.has(name) && weightGradients[i]!.fill(0));
      return { losses, predictions, inputGradient_BI: inputGradient_BI!, gradients: byName(names, weightGradients), statistics, gates: gateShares };
    },
  };
}

/** Reads tensors to the host and disposes them. Copies, since a backend may hand out its own memory. */
async function takeAll(tf: TensorFlow, tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const arrays = await Promise.all(tensors.map(async (tensor) => Float32Array.from((await tensor.data()) as Float32Array)));
  tf.dispose([...tensors]);
  return arrays;
}

function byName<Data>(names: readonly string[], values: readonly Data[]): Map<string, Data> {
  return new Map(names.map((name, i) => [name, values[i]!]));
}

const lossTensors = ({ mean, rows }: LossTensors): readonly Tensor[] => [mean, rows];

function unreachable(): never {
  throw new Error('evaluation needs no statistics and no dropout');
}
