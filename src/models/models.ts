import type { z } from 'zod';
import { GraphBuilder, type LossOptions } from '../graph/builder.js';
import type { InputField } from '../graph/features.js';
import type { Graph } from '../graph/graph.js';
import { withGroups } from '../losses/loss.js';
import { resolveLoss, losses } from '../losses/losses.js';
import { registry } from '../core/component.js';
import { groupColumn } from '../core/row-key.js';
import type { Value } from '../graph/operations.js';
import { rootTasks, taskColumns, type LabelFacts, type LabelSum, type Task } from '../core/tasks.js';
import { computeBiasInit, computePositiveWeight, type BiasInit } from './bias-init.js';
import { scaleLabels, unscalePredictions } from './label-scaling.js';
import type { ModelTask } from './model.js';
import { buildWidePart, wideOption, wideSums } from './wide.js';
import * as all from './all.js';

const { names, parts, partOf, build, schemaWith } = registry(all);

/** Every model by its name in the YAML, with what all of them take. */
export const models = { names, parts, partOf, build, schema: schemaWith({ wide: wideOption }) };
export type ModelSpec = z.output<typeof models.schema>;

/**
 * What a graph is built for, beside its model and its tasks. Where the sums of a label are not given, balanced ones
 * weigh 1 and
 * biases are drawn: what is predicted does not depend on it. Where scales are not given, labels are taken as they are:
 * for whoever asks for names alone.
 */
export interface GraphOptions extends Partial<LabelFacts> {
  /** Factors of the losses of terms, by their names, beside those of tasks. */
  readonly lossWeights?: Readonly<Record<string, number>> | undefined;
  /** Where the rows that it learns from are a sample: the share of the negatives that is among them. */
  readonly negativeRate?: number | undefined;
  /** Where the biases of heads start; drawn where it is not given. */
  readonly biasInit?: BiasInit | undefined;
}

/** How the features lie side by side. */
export interface ModelInput {
  readonly width: number;
  readonly columns: readonly (InputField & { readonly isWide?: true })[];
}

/** What a model looks up, beside one embedding of every field as wide as the config says. */
export function listLookups(spec: ModelSpec, tasks: readonly Task[]) {
  return { embeddingParts: embeddingParts(spec, tasks), wide: buildWidePart(spec.wide, tasks) };
}

/**
 * What the parts of every field's embedding are for, by name, where a model wants several; each is as wide as the
 * config says.
 */
export function embeddingParts(spec: ModelSpec, tasks: readonly Task[]): readonly string[] {
  // The options are those of this spec's own part.
  const parts =
    models.partOf(spec).embeddingParts?.(
      spec as never,
      tasks.map(({ name }) => name),
    ) ?? [];
  return parts.length === 0 ? ['all'] : parts;
}

/**
 * Builds the graph of a model.
 * @param inputLayout of the features, with all that the model looks up (`lookupsOf`)
 * @throws Misfit where the model does not fit these features
 */
export function buildModel(
  spec: ModelSpec,
  inputLayout: ModelInput,
  tasks: readonly Task[],
  { lossWeights = {}, negativeRate = 1, sums, scales = new Map(), biasInit = 'random' }: GraphOptions = {},
): Graph {
  const g = new GraphBuilder();
  const fields = inputLayout.columns.filter(({ isWide }) => isWide !== true);
  const featureWidth = fields.reduce((sum, { width }) => sum + width, 0);
  const looked = g.input({ kind: 'features' }, inputLayout.width);
  const input = featureWidth === looked.width ? looked : g.slice(looked, 0, featureWidth);
  const wide = wideSums(
    g,
    spec.wide,
    tasks,
    featureWidth === looked.width ? undefined : g.slice(looked, featureWidth, looked.width - featureWidth),
    { input, fields },
  );
  const labels = new Map<string, Value>();
  const label = (column: string): Value => {
    const value = labels.get(column) ?? g.input({ kind: 'label', column }, 1);
    labels.set(column, value);
    return value;
  };
  const optional = (column: string | undefined): Value | undefined =>
    column === undefined ? undefined : label(column);
  const modelTasks = tasks.map((task): ModelTask => {
    const columns = taskColumns(task, tasks);
    const labelValue = scaleLabels(g, label(columns.label), scales.get(task.name));
    const loss = losses.build(resolveLoss(task));
    const { by } = loss;
    const taskLoss =
      by === undefined
        ? loss
        : withGroups(
            loss,
            once(() => groupsWhere(g, label(groupColumn(by)), optional(columns.mask))),
          );
    const { own, chain } = sums?.get(task.name) ?? {};
    const options = (maskColumn: string | undefined, sum: LabelSum | undefined) =>
      once((): LossOptions => {
        const ofPositives = computePositiveWeight(task, sum);
        const ofClass = ofPositives === 1 ? undefined : g.affine(labelValue, ofPositives - 1, 1);
        const ofRow = optional(columns.sampleWeight);
        return {
          mask: optional(maskColumn),
          weights: ofClass !== undefined && ofRow !== undefined ? g.multiply(ofClass, ofRow) : (ofClass ?? ofRow),
        };
      });
    const first = (sum: LabelSum | undefined): number | undefined =>
      sum === undefined || biasInit === 'random' ? undefined : computeBiasInit(task, taskLoss, sum);
    const [counted, countedInChain] = [options(columns.mask, own), options(columns.chainKnown, chain)];
    // No model asks for all of it, and what nobody asks for is not in the graph.
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
  const output = models.build(spec, { g, input, fields, tasks: modelTasks });
  const terms = output.terms.map((term) =>
    Object.hasOwn(lossWeights, term.name) ? { ...term, weight: term.weight * lossWeights[term.name]! } : term,
  );
  const inUnits = new Map(
    [...output.predictions].map(([name, prediction]) => [name, unscalePredictions(g, prediction, scales.get(name))]),
  );
  const predictions = negativeRate === 1 ? inUnits : correctedPredictions(g, inUnits, rootTasks(tasks), negativeRate);
  return { values: g.values, parameters: g.parameters, featureWidth, ...output, predictions, terms };
}

/** Groups of the rows where a task is defined; others are in none. */
function groupsWhere(g: GraphBuilder, groups: Value, mask: Value | undefined): Value {
  return mask === undefined ? groups : g.affine(g.multiply(g.affine(groups, 1, 1), mask), 1, -1);
}

/** Makes something when it is first asked for. */
function once<Made extends object>(make: () => Made): () => Made {
  let made: Made | undefined;
  return () => (made ??= make());
}

/**
 * Predictions as they are where no negative is left out: of a task that is given nothing p / (p + (1 - p) / share),
 * which takes
 * log(1 / share) from its logit (He et al. 2014, section 6.3; Chapelle et al. 2014, section 6.3). What is given it
 * needs nothing: rows where it is 1
 * are all there. Losses stay those of the sample.
 */
function correctedPredictions(
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
