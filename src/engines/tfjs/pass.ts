import type { Tensor } from '@tensorflow/tfjs';
import { findCanceledBiases, listRequired, sequenceWidths, type Graph } from '../../graph/graph.js';
import { isLoss, type Parameter, type RunningStatistics, type Value } from '../../graph/operations.js';
import { dropoutMask, streamKey } from '../../core/random.js';
import { countElements } from '../../core/tensor.js';
import type { Evaluation, TermLoss } from '../engine.js';
import type { LookedUp } from '../host.js';
import type { Weights } from '../weights.js';
import type { TensorFlow } from './backend.js';
import type { Execution } from './execution.js';
import { withGradients } from './gradients.js';
import { uploadInputs, withSegments, type Input } from './inputs.js';
import { lossOf, type LossTensors } from './losses.js';
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
  readonly lookedGradient: LookedUp;
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
  const sequences = sequenceWidths(graph);
  const constants = new Map<number, Tensor>();

  const constant = (value: number): Tensor => {
    const known = constants.get(value) ?? tf.keep(tf.scalar(value));
    constants.set(value, known);
    return known;
  };
  /** Uploads a parameter; a vector becomes a row, so that it joins others without an operation. */
  const upload = ({ parameter: { shape }, data }: Weights): Tensor =>
    tf.tensor2d(data, shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!]);

  /** Computes `values` in order and returns access to their results. */
  const run = (values: readonly Value[], execution: Omit<Execution, 'get' | 'tf' | 'constant'>): Execution => {
    const results = new Map<number, Tensor>();
    const whole: Execution = { ...execution, tf, constant, get: (value) => results.get(value.id)! };
    for (const value of values) if (!isLoss(value)) results.set(value.id, execute(value, whole));
    return whole;
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
    const { predictions, losses } = await withSegments(tf, input.batch, (segments) =>
      readAll(tf, (keep) => {
        const parameters = new Map(weights.map((weight) => [weight.parameter, upload(weight)]));
        const execution = run(hasLosses ? forTraining.predictions : forPrediction, {
          isTraining: false,
          input: uploadInputs(tf, sequences, input).input,
          segments,
          parameter: (parameter) => parameters.get(parameter)!,
          isTrained: () => false,
          observe: unreachable,
          dropoutMask: unreachable,
        });
        return {
          predictions: numbersOf(outputs, execution, keep),
          losses: (hasLosses ? graph.terms : []).map(({ loss }) => keepLoss(lossOf(loss, execution), keep)),
        };
      }),
    );
    return { predictions: read(predictions), losses: termLosses(losses) };
  };

  /** Runs the forward and backward pass of a batch; all results are read later. */
  const differentiate = (
    input: Input,
    { seed, step, pass, weights: termWeights, counted, looksAt = 'nothing' }: PassSettings,
    segments: Execution['segments'],
    keep: (tensor: Tensor) => Numbers,
  ) => {
    const statistics: Observed[] = [];
    const inputs = uploadInputs(tf, sequences, input);
    const tensors = new Map(
      weights.filter(({ parameter }) => parameter.isTrainable).map((weight) => [weight.parameter, upload(weight)]),
    );
    let found: readonly (() => TermLoss)[] = [];
    let looked: ReturnType<typeof numbersOf> = [];
    const loss = (): Tensor => {
      const execution = run(forTraining[looksAt], {
        isTraining: true,
        input: inputs.input,
        segments,
        parameter: (parameter) => tensors.get(parameter)!,
        isTrained,
        observe(running, mean, variance, rows) {
          // A batch without items has no statistics of them.
          if (rows > 0) statistics.push({ running, mean: keep(mean), variance: keep(variance), rows });
        },
        dropoutMask(name, rate, rows, width) {
          const mask = new Float32Array(rows * width);
          dropoutMask(mask, rate, streamKey(seed, 'dropout', name, step, ...(pass > 0 ? [pass] : [])));
          return tf.tensor2d(mask, [rows, width]);
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
      .gradients(loss, [...inputs.looked, ...differentiated.map(([, tensor]) => tensor)], undefined, true) as {
      readonly grads: readonly (Tensor | undefined)[];
    };
    const all = grads.map((gradient) => gradient && keep(gradient));
    const ofInputs = all.slice(0, inputs.looked.length);
    const ofParameters = all.slice(inputs.looked.length);
    return {
      found,
      looked,
      statistics,
      lookedGradients: () => inputs.gradientOf(ofInputs.map((gradient) => gradient?.())),
      gradients: new Map(differentiated.map(([{ name }], i) => [name, ofParameters[i]])),
    };
  };

  return {
    predict: (input) => evaluated(input, false),
    evaluate: (input) => evaluated(input, true),

    async train(input, settings) {
      const { found, looked, statistics, lookedGradients, gradients } = await withSegments(
        tf,
        input.batch,
        (segments) => readAll(tf, (keep) => differentiate(input, settings, segments, keep)),
      );
      return {
        losses: termLosses(found),
        looked: read(looked),
        lookedGradient: lookedGradients(),
        gradients: new Map(
          graph.parameters
            .filter((each) => each.isTrainable)
            .map(({ name, shape }) => [name, gradients.get(name)?.() ?? new Float32Array(countElements(shape))]),
        ),
        statistics: statistics.map((each) => ({ ...each, mean: each.mean(), variance: each.variance() })),
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
