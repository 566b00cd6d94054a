import type { z } from 'zod';
import { GraphBuilder } from '../graph/builder.js';
import type { LossOptions } from '../graph/loss-options.js';
import type { Graph } from '../graph/graph.js';
import { lookUp, type LookedUpField } from '../graph/lookups.js';
import { withTeacher } from '../losses/distillation.js';
import { withGroups, type TaskLoss } from '../losses/loss.js';
import { delayedLoss, resolveDelay } from '../delay/delays.js';
import { FIRST_COLUMN } from '../delay/columns.js';
import { resolveLoss, losses } from '../losses/losses.js';
import { registry } from '../core/component.js';
import { groupColumn } from '../core/row-key.js';
import type { Value } from '../graph/operations.js';
import { rootTasks, taskColumns, type LabelFacts, type LabelSum, type Task, type TaskColumns } from '../core/tasks.js';
import { computeBiasInit, computePositiveWeight, type BiasInit } from './bias-init.js';
import { scaleLabels, unscalePredictions } from './label-scaling.js';
import { composeEmbeddings, type Composition } from './compose.js';
import { linearHeads } from './linear.js';
import type { ModelContext, ModelOutput, ModelTask } from './model.js';
import type { SequenceLayout } from '../sequences/layout.js';
import { encodeSequences } from './sequences.js';
import { buildWidePart, wideOption, wideSums, type WideOption } from './wide.js';
import * as all from './all.js';

const { names, parts, partOf, build, schemaWith } = registry(all);

/** Every model by its name in the config, with the options of all models. */
export const models = { names, parts, partOf, build, schema: schemaWith({ wide: wideOption }) };
export type ModelSpec = z.output<typeof models.schema>;

/**
 * Options of a graph besides model and tasks. Without label sums, balanced weights are 1 and biases are randomly
 * initialized; predictions do not depend on it. Without scales, labels are not scaled: sufficient for parameter names.
 */
export interface GraphOptions extends Partial<LabelFacts> {
  /** Factors of loss terms by name, on top of the tasks' weights. */
  readonly lossWeights?: Readonly<Record<string, number>> | undefined;
  /** Sampling rate of negatives, if the training set is downsampled. */
  readonly negativeRate?: number | undefined;
  /** Initialization of the biases of heads; default: random. */
  readonly biasInit?: BiasInit | undefined;
}

/** Columns of the concatenated features. */
export interface ModelInput {
  readonly width: number;
  readonly columns: readonly (LookedUpField & {
    readonly isWide?: true;
    readonly composition?: Composition | undefined;
  })[];
  readonly sequences?: readonly SequenceLayout[];
}

/** Returns what a model looks up besides one embedding of the configured width per field. */
export function listLookups(spec: ModelSpec, tasks: readonly Task[]) {
  return { embeddingParts: embeddingParts(spec, tasks), wide: buildWidePart(spec.wide, tasks) };
}

/** Returns the names of the parts of every field's embedding, if a model requires several of the configured width. */
export function embeddingParts(spec: ModelSpec, tasks: readonly Task[]): readonly string[] {
  // The options belong to this spec's component.
  const parts =
    models.partOf(spec).embeddingParts?.(
      spec as never,
      tasks.map(({ name }) => name),
    ) ?? [];
  return parts.length === 0 ? ['all'] : parts;
}

/**
 * Builds the graph of a model.
 * @param inputLayout of the features, including all lookups (`listLookups`)
 * @throws IncompatibleFeaturesError if the model does not support these features
 */
export function buildModel(
  spec: ModelSpec,
  inputLayout: ModelInput,
  tasks: readonly Task[],
  options: GraphOptions = {},
): Graph {
  const parts = embeddingParts(spec, tasks).length;
  return buildWith((context) => models.build(spec, context), { parts, wide: spec.wide }, inputLayout, tasks, options);
}

/**
 * Builds a linear model per task: a weight per id and per number, and a bias.
 * @param inputLayout numbers and vectors, and the lookups of a wide part
 */
export function buildLinearModel(inputLayout: ModelInput, tasks: readonly Task[], options: GraphOptions): Graph {
  return buildWith(linearHeads, { parts: 1, wide: true }, inputLayout, tasks, options);
}

function buildWith(
  build: (context: ModelContext) => ModelOutput,
  lookedUp: LookedUpParts,
  inputLayout: ModelInput,
  tasks: readonly Task[],
  options: GraphOptions,
): Graph {
  const { lossWeights = {}, negativeRate = 1, scales } = options;
  const g = new GraphBuilder();
  const { featureWidth, wide, input, fields, attention } = buildFeatures(g, inputLayout, lookedUp, tasks);
  const modelTasks = buildTasks(g, tasks, wide, options);
  const output = build({ g, input, fields, tasks: modelTasks });
  const terms = output.terms.map((term) =>
    Object.hasOwn(lossWeights, term.name) ? { ...term, weight: term.weight * lossWeights[term.name]! } : term,
  );
  const inUnits = new Map(
    [...output.predictions].map(([name, prediction]) => [name, unscalePredictions(g, prediction, scales?.get(name))]),
  );
  const predictions = negativeRate === 1 ? inUnits : correctPredictions(g, inUnits, rootTasks(tasks), negativeRate);
  return {
    values: g.values,
    parameters: g.parameters,
    featureWidth,
    ...output,
    predictions,
    terms,
    ...(attention.length > 0 && { attention }),
  };
}

/** What a model looks up: the parts of every embedding, and whether it has a wide part. */
interface LookedUpParts {
  readonly parts: number;
  readonly wide: WideOption;
}

/** Looks up the features, and computes embeddings, sequences and the wide part. */
function buildFeatures(
  g: GraphBuilder,
  { columns, sequences = [] }: ModelInput,
  { parts, wide: wideSpec }: LookedUpParts,
  tasks: readonly Task[],
) {
  const looked = columns.filter(({ isWide }) => isWide !== true);
  const featureWidth = looked.reduce((sum, { width }) => sum + width, 0);
  const lookups = columns.length === 0 ? undefined : lookUp(g, columns);
  const width = lookups?.width ?? 0;
  const isWhole = featureWidth === 0 || featureWidth === width;
  const whole = lookups && (isWhole ? lookups : g.slice(lookups, 0, featureWidth));
  const composed = whole && composeEmbeddings(g, whole, looked, parts);
  const ofWide =
    lookups === undefined || featureWidth === width ? undefined : g.slice(lookups, featureWidth, width - featureWidth);
  const wide = wideSums(g, wideSpec, tasks, ofWide, composed);
  return { featureWidth, wide, ...encodeSequences(g, sequences, composed) };
}

/** Adds labels, losses and what else the models read of each task. */
function buildTasks(
  g: GraphBuilder,
  tasks: readonly Task[],
  wide: ReadonlyMap<string, Value>,
  { negativeRate = 1, sums, scales = new Map(), biasInit = 'random' }: GraphOptions,
): readonly ModelTask[] {
  const labels = new Map<string, Value>();
  const label = (column: string): Value => {
    const value = labels.get(column) ?? g.input({ kind: 'label', column }, 1);
    labels.set(column, value);
    return value;
  };
  const optional = (column: string | undefined): Value | undefined =>
    column === undefined ? undefined : label(column);
  const roots = rootTasks(tasks);
  const isReplayed = tasks.some(({ delay }) => delay !== undefined);
  return tasks.map((task): ModelTask => {
    const columns = taskColumns(task, tasks);
    const labelValue = scaleLabels(g, label(columns.label), scales.get(task.name));
    // Teachers predict for all rows; a root task learns from the rows that sampling keeps.
    const rate = roots.includes(task) ? negativeRate : 1;
    const delayed = resolveDelay(task);
    const taskLoss =
      delayed === undefined
        ? bindColumns(g, losses.build(resolveLoss(task)), { task, columns, label, negativeRate: rate })
        : delayedLoss(delayed, label);
    // A replayed row trains tasks without delay once.
    const masked = (mask: Value | undefined): Value | undefined => {
      if (!isReplayed || delayed !== undefined) return mask;
      return mask === undefined ? label(FIRST_COLUMN) : g.multiply(mask, label(FIRST_COLUMN));
    };
    const { own, chain } = sums?.get(task.name) ?? {};
    const options = (maskColumn: string | undefined, sum: LabelSum | undefined) =>
      once((): LossOptions => {
        const positiveWeight = computePositiveWeight(task, sum);
        const classWeight = positiveWeight === 1 ? undefined : g.affine(labelValue, positiveWeight - 1, 1);
        const rowWeight = optional(columns.sampleWeight);
        const mask = masked(optional(maskColumn));
        const areBoth = classWeight !== undefined && rowWeight !== undefined;
        return { mask, weights: areBoth ? g.multiply(classWeight, rowWeight) : (classWeight ?? rowWeight) };
      });
    const first = (sum: LabelSum | undefined): number | undefined =>
      sum === undefined || biasInit === 'random' || delayed !== undefined
        ? undefined
        : computeBiasInit(task, taskLoss, sum);
    const [counted, countedInChain] = [options(columns.mask, own), options(columns.chainKnown, chain)];
    // Lazy: no model requires all of them, and unused values must not be in the graph.
    return {
      ...task,
      labelValue,
      taskLoss,
      firstBias: first(own),
      firstBiasInChain: first(chain),
      wide: wide.get(task.name),
      get counted() {
        return counted();
      },
      get countedInChain() {
        return countedInChain();
      },
    };
  });
}

/** Binds the columns that a loss reads besides its label: groups of rows, or a teacher. */
function bindColumns(
  g: GraphBuilder,
  loss: TaskLoss,
  {
    task: { distill },
    columns: { mask, teacher },
    label,
    negativeRate,
  }: {
    readonly task: Task;
    readonly columns: TaskColumns;
    readonly label: (column: string) => Value;
    readonly negativeRate: number;
  },
): TaskLoss {
  const { groupBy } = loss;
  const grouped =
    groupBy === undefined
      ? loss
      : withGroups(
          loss,
          once(() => maskGroups(g, label(groupColumn(groupBy)), mask === undefined ? undefined : label(mask))),
        );
  if (distill === undefined || teacher === undefined) return grouped;
  const logit = (): Value => {
    const whole = label(teacher.logit);
    return negativeRate === 1 ? whole : g.affine(whole, 1, -Math.log(negativeRate));
  };
  return withTeacher(grouped, distill, () => ({ logit: logit(), known: label(teacher.known) }));
}

/** Sets the group of rows where the task is undefined to -1, which means no group. */
function maskGroups(g: GraphBuilder, groups: Value, mask: Value | undefined): Value {
  return mask === undefined ? groups : g.affine(g.multiply(g.affine(groups, 1, 1), mask), 1, -1);
}

function once<Made extends object>(make: () => Made): () => Made {
  let made: Made | undefined;
  return () => (made ??= make());
}

/**
 * Corrects predictions for negative downsampling. For a root task it is p / (p + (1 - p) / rate), which adds log(rate)
 * to the logit (He et al. 2014, section 6.3; Chapelle et al. 2014, section 6.3). Other tasks require no correction:
 * rows where their parent is 1 are all kept. Losses stay the losses of the sample.
 */
function correctPredictions(
  g: GraphBuilder,
  predictions: Graph['predictions'],
  roots: readonly Task[],
  share: number,
): Graph['predictions'] {
  const corrected = new Map(predictions);
  for (const { name } of roots) {
    const p = predictions.get(name)!;
    const logit = p.op === 'activation' && p.kind === 'sigmoid' ? p.x : undefined;
    if (logit !== undefined)
      corrected.set(name, g.activation(g.affine(logit, 1, Math.log(share)), 'sigmoid', `${name}.corrected`));
    else corrected.set(name, g.multiply(p, g.reciprocal(g.affine(p, 1 - 1 / share, 1 / share))));
  }
  return corrected;
}
