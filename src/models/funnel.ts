import { bottomEmbeddingParts, bottomSchema, buildBottom, checkBottom } from '../bottoms/bottoms.js';
import { didYouMean, joined, quoted } from '../core/errors.js';
import type { Gate, Term } from '../graph/graph.js';
import { mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue, OptionsOf } from '../core/component.js';
import { findChain, normalizeGiven, type Task } from '../core/tasks.js';
import { checkProbability } from './check-probability.js';
import { buildLossTerm, type ModelContext, type ModelTask } from './model.js';
import { checkTaskTowers, taskTower, taskTowerOptions, getTower } from './task-towers.js';

const towerOptions = mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([16, 8]) }).prefault({});

/** Options of models of a click and later events: shared layers and towers. */
export const funnelOptions = {
  bottom: bottomSchema.prefault({}).describe('Shared layers below the towers'),
  ctrTower: towerOptions.describe('Tower of root tasks, such as the click'),
  cvrTower: towerOptions.describe('Tower of tasks with a parent, such as a conversion'),
  towers: taskTowerOptions.towers,
};
export type FunnelOptions = OptionsOf<typeof funnelOptions>;

/** Validates the tasks of the funnel model `model`. */
export function* checkFunnel(model: string, tasks: readonly Task[], options: FunnelOptions): Iterable<ValidationIssue> {
  yield* checkTaskTowers(tasks, options);
  yield* checkBottom(options.bottom, tasks);
  const example = 'ctr: { label: click } and cvr: { label: purchase, given: click }';
  if (tasks.every(({ given }) => given === undefined))
    yield { path: ['tasks'], message: `${model} requires a task with given; set it, as in ${example}` };
  for (const task of tasks) {
    const { name } = task;
    yield* checkProbability(model, 'multiplies', task);
    if (findChain(task, tasks) !== undefined) continue;
    const { named } = normalizeGiven(task)!;
    if (
      tasks.some(
        (other) => other !== task && other.type === 'classification' && (other.name === named || other.label === named),
      )
    ) {
      yield {
        path: ['tasks', name, 'given'],
        message:
          'expected a chain of tasks that ends at a task without given; ' +
          `${quoted(named)} leads back to itself, or to a column that no task predicts`,
      };
      continue;
    }
    const known = tasks
      .filter((other) => other.name !== name)
      .map((other) => (typeof other.label === 'string' ? other.label : other.name));
    yield {
      path: ['tasks', name, 'given'],
      message: joined(
        `expected the label of another classification task${known.length === 0 ? '' : ` (${known.join(', ')})`}, ` +
          `in a chain that ends at a task without given, found ${quoted(named)}`,
        didYouMean(named, known),
      ),
    };
  }
}

/** Returns the embedding parts that the shared layers of a funnel require. */
export function funnelEmbeddingParts({ bottom }: FunnelOptions, tasks: readonly string[]): readonly string[] {
  return bottomEmbeddingParts(bottom, tasks);
}

/** A conversion: a task with a parent in the funnel. */
export interface Conversion {
  readonly task: ModelTask;
  /** 1 if the task is defined and its label is known. */
  readonly isCounted: Value;
  /** 1 if the parent event happened. */
  readonly given: Value;
  readonly logit: Value;
  /** Builds the probability of the parent event: the product of all probabilities before this task. */
  propensity(): Value;
  /** Input of the task's tower, for additional towers. */
  readonly input: Value;
}

/** A tower per task, and the products along the funnel. */
export interface Funnel {
  readonly gates: ReadonlyMap<string, Gate>;
  readonly predictions: ReadonlyMap<string, Value>;
  /** Log loss of every root task. */
  readonly clicks: readonly Term[];
  /** Log loss, over all rows, of every conversion's joint probability with all tasks before it. */
  readonly products: readonly Term[];
  /** Losses of the streams of the shared layers, if they have any. */
  readonly distilled: readonly Term[];
  readonly conversions: readonly Conversion[];
}

/**
 * Builds the shared layers and towers of a funnel.
 * @param between layers between the shared layers and the towers, if the model has some
 */
export function buildFunnel(
  { g, input, fields, tasks }: ModelContext,
  options: FunnelOptions,
  between: (outputs: ReadonlyMap<string, Value>) => ReadonlyMap<string, Value> = (outputs) => outputs,
): Funnel {
  const taskNames = tasks.map(({ name }) => name);
  const bottom = buildBottom(options.bottom, { g, input, fields, tasks: taskNames });
  const { gates = new Map(), streams } = bottom;
  const outputs = between(bottom.outputs);
  const getOptions = ({ name, given }: ModelTask): MlpOptions =>
    getTower({ tower: given === undefined ? options.ctrTower : options.cvrTower, towers: options.towers }, name);
  const towers = tasks.map((task) => {
    const x = outputs.get(task.name)!;
    return taskTower(g, task, { x, streams }, getOptions(task), task.firstBias, () => task.countedInChain);
  });
  const logits = new Map(tasks.map((task, t) => [task, towers[t]!.out]));
  const probabilities = new Map(
    tasks.map((task) => [task, g.activation(logits.get(task)!, 'sigmoid', `${task.name}.probability`)]),
  );
  const chains = tasks.map((task) => {
    const chain = findChain(task, tasks);
    if (chain === undefined) throw new Error('funnel tasks were not validated');
    return chain;
  });
  const term = (chain: readonly ModelTask[]): Term => {
    const task = chain.at(-1)!;
    const logit = chain
      .map((each): Value => logits.get(each)!)
      .reduce((product, factor) => g.productLogit(product, factor));
    return buildLossTerm(g, task, logit, task.countedInChain, chain.length === 1 ? task.name : `ct${task.name}`);
  };
  const longChains = chains.filter((chain) => chain.length > 1);
  return {
    gates,
    predictions: new Map([...probabilities].map(([{ name }, probability]) => [name, probability])),
    clicks: chains.filter((chain) => chain.length === 1).map(term),
    distilled: towers.flatMap(({ distilled }) => distilled),
    products: longChains.map(term),
    conversions: longChains.map((chain): Conversion => {
      const task = chain.at(-1)!;
      const propensity = (): Value =>
        chain
          .slice(0, -1)
          .map((each): Value => probabilities.get(each)!)
          .reduce((product, factor) => g.multiply(product, factor));
      return {
        task,
        isCounted: task.counted.mask!,
        given: chain.at(-2)!.labelValue,
        logit: logits.get(task)!,
        propensity,
        input: outputs.get(task.name)!,
      };
    }),
  };
}
