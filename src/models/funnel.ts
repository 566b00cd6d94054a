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

/** Options of a model of a click and what follows it: shared layers and towers. */
export const funnelOptions = {
  bottom: bottomSchema.prefault({}).describe('Shared layers below the towers'),
  ctrTower: towerOptions.describe('Tower of root tasks, such as the click'),
  cvrTower: towerOptions.describe('Tower of tasks with a parent, such as a conversion'),
  towers: taskTowerOptions.towers,
};
export type FunnelOptions = OptionsOf<typeof funnelOptions>;

/** What is wrong with the tasks of a model of funnels, which is called `model`. */
export function* checkFunnel(model: string, tasks: readonly Task[], options: FunnelOptions): Iterable<ValidationIssue> {
  yield* checkTaskTowers(tasks, options);
  yield* checkBottom(options.bottom, tasks);
  const example = 'ctr: { label: click } and cvr: { label: purchase, given: click }';
  if (tasks.every(({ given }) => given === undefined))
    yield { path: ['tasks'], message: `${model} needs a task that is given another one's label, as in ${example}` };
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
        message: `expected a chain of tasks down to one that is given nothing; from ${quoted(named)} it comes back to itself, or to a column that no task predicts`,
      };
      continue;
    }
    const known = tasks
      .filter((other) => other.name !== name)
      .map((other) => (typeof other.label === 'string' ? other.label : other.name));
    yield {
      path: ['tasks', name, 'given'],
      message: joined(
        `expected the label of another classification task${known.length === 0 ? '' : ` (${known.join(', ')})`}, down to one that is given nothing, found ${quoted(named)}`,
        didYouMean(named, known),
      ),
    };
  }
}

/** The parts of embeddings that the shared layers of a funnel want. */
export function funnelEmbeddingParts({ bottom }: FunnelOptions, tasks: readonly string[]): readonly string[] {
  return bottomEmbeddingParts(bottom, tasks);
}

/** A conversion: a task that is given another one's label. */
export interface Conversion {
  readonly task: ModelTask;
  /** 1 where the task is defined and its label is known. */
  readonly seen: Value;
  /** 1 where what it is given happened. */
  readonly given: Value;
  readonly logit: Value;
  /** How probable it is that what it is given happens: the product of all before it. */
  propensity(): Value;
  /** What the towers of the task stand on, for whoever puts another one there. */
  readonly input: Value;
}

/** A tower for every task, and the products down the funnel. */
export interface Funnel {
  readonly gates: ReadonlyMap<string, Gate>;
  readonly predictions: ReadonlyMap<string, Value>;
  /** The log loss of every click. */
  readonly clicks: readonly Term[];
  /** The log loss over all rows of every conversion together with all before it. */
  readonly products: readonly Term[];
  readonly conversions: readonly Conversion[];
}

/**
 * Puts the towers of a funnel on shared layers.
 * @param between what a model has between these and the towers: makes what the towers stand on, by task
 */
export function buildFunnel(
  { g, input, fields, tasks }: ModelContext,
  options: FunnelOptions,
  between: (outputs: ReadonlyMap<string, Value>) => ReadonlyMap<string, Value> = (outputs) => outputs,
): Funnel {
  const { outputs: below, gates = new Map() } = buildBottom(options.bottom, {
    g,
    input,
    fields,
    tasks: tasks.map(({ name }) => name),
  });
  const outputs = between(below);
  const optionsOf = ({ name, given }: ModelTask): MlpOptions =>
    getTower({ tower: given === undefined ? options.ctrTower : options.cvrTower, towers: options.towers }, name);
  const logits = new Map(
    tasks.map((task) => [task, taskTower(g, task, outputs.get(task.name)!, optionsOf(task), task.firstBias)]),
  );
  const probabilities = new Map(
    tasks.map((task) => [task, g.activation(logits.get(task)!, 'sigmoid', `${task.name}.probability`)]),
  );
  const chains = tasks.map((task) => {
    const chain = findChain(task, tasks);
    if (chain === undefined) throw new Error('the tasks of the funnel were not checked');
    return chain;
  });
  const term = (chain: readonly ModelTask[]): Term => {
    const task = chain.at(-1)!;
    const logit = chain.map((each): Value => logits.get(each)!).reduce((above, own) => g.productLogit(above, own));
    return buildLossTerm(g, task, logit, task.countedInChain, chain.length === 1 ? task.name : `ct${task.name}`);
  };
  const down = chains.filter((chain) => chain.length > 1);
  return {
    gates,
    predictions: new Map([...probabilities].map(([{ name }, probability]) => [name, probability])),
    clicks: chains.filter((chain) => chain.length === 1).map(term),
    products: down.map(term),
    conversions: down.map((chain): Conversion => {
      const task = chain.at(-1)!;
      const propensity = (): Value =>
        chain
          .slice(0, -1)
          .map((each): Value => probabilities.get(each)!)
          .reduce((above, own) => g.multiply(above, own));
      return {
        task,
        seen: task.counted.mask!,
        given: chain.at(-2)!.labelValue,
        logit: logits.get(task)!,
        propensity,
        input: outputs.get(task.name)!,
      };
    }),
  };
}
