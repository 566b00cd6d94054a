import { z } from 'zod';
import { bottomEmbeddingParts, bottomSchema, buildBottom, checkBottom } from '../bottoms/bottoms.js';
import { mlp as sharedLayers } from '../bottoms/mlp.js';
import { didYouMean, joined, quoted } from '../core/errors.js';
import { mlp, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue } from '../core/component.js';
import { tasksGiven, type Task } from '../core/tasks.js';
import { refuseStreams } from './check-streams.js';
import { defineModel, buildHead, buildOutputLayer } from './model.js';
import { checkTaskTowers, taskTowerOptions, getTower } from './task-towers.js';

type Parents = Readonly<Record<string, readonly string[]>>;

/**
 * Deep Bayesian Multi-Target Learning (Wang et al. 2019, https://arxiv.org/abs/1902.09154): targets form a Bayesian
 * network. Each task has its own layers on the shared layers. Their output is concatenated with the representations of
 * its parents and passes through one more stack (the edges of the network), followed by the output layer. A target
 * passes on this representation, not its label, so that inference requires no labels.
 *
 * As in the paper, you choose the network. Default: a task's parent is the task whose label is its `given`; `parents`
 * overrides it. In EasyRec's model of the same name, `relation` is `relation_dnn`.
 */
export const dbmtl = defineModel({
  name: 'dbmtl',
  summary: 'Deep Bayesian Multi-Target Learning: representations flow from parent tasks to dependent tasks',
  options: () => ({
    bottom: bottomSchema.prefault({ name: sharedLayers.name }).describe('Shared layers'),
    ...taskTowerOptions,
    relation: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.min(1).default([8]) })
      .prefault({})
      .describe("Layers over a task's representation and those of its parents"),
    parents: z
      .record(z.string(), z.array(z.string()))
      .default({})
      .describe('Parent tasks by task; default: the task that given names'),
  }),

  *checkTasks(tasks, options) {
    yield* checkTaskTowers(tasks, options);
    yield* checkBottom(options.bottom, tasks);
    yield* refuseStreams('dbmtl', options.bottom);
    yield* checkParents(tasks, options.parents);
  },
  embeddingParts: ({ bottom }, tasks) => bottomEmbeddingParts(bottom, tasks),

  build({ bottom, relation, parents, ...towers }, { g, input, fields, tasks }) {
    const { outputs, gates = new Map() } = buildBottom(bottom, {
      g,
      input,
      fields,
      tasks: tasks.map(({ name }) => name),
    });
    const towerOutputs = new Map(
      tasks.map(({ name }) => [name, mlp(g, outputs.get(name)!, getTower(towers, name), `towers.${name}`)]),
    );
    const states = new Map<string, Value>();
    const getState = (task: Task): Value => {
      const known = states.get(task.name);
      if (known !== undefined) return known;
      const above = listParents(task, tasks, parents).map((parent) =>
        getState(tasks.find(({ name }) => name === parent)!),
      );
      const state = mlp(
        g,
        above.length === 0 ? towerOutputs.get(task.name)! : g.concat([towerOutputs.get(task.name)!, ...above]),
        relation,
        `relations.${task.name}`,
      );
      states.set(task.name, state);
      return state;
    };
    const heads = tasks.map((task) =>
      buildHead(g, task, buildOutputLayer(g, task, getState(task), `relations.${task.name}`, task.firstBias)),
    );
    return {
      gates,
      predictions: new Map(tasks.map(({ name }, t) => [name, heads[t]!.prediction])),
      terms: heads.map(({ term }) => term),
    };
  },
});

/** Returns the parents of a task. */
function listParents(task: Task, tasks: readonly Task[], parents: Parents): readonly string[] {
  return Object.hasOwn(parents, task.name)
    ? parents[task.name]!
    : tasksGiven(task, tasks)
        .slice(0, 1)
        .map(({ name }) => name);
}

/** Validates the network of tasks: known names, no duplicates, no cycles, at least one edge. */
function* checkParents(tasks: readonly Task[], parents: Parents): Iterable<ValidationIssue> {
  const known = tasks.map(({ name }) => name);
  const path = ['model', 'parents'];
  for (const [task, above] of Object.entries(parents)) {
    for (const [name, issuePath] of [
      [task, [...path, task]] as const,
      ...above.map((each, i) => [each, [...path, task, i]] as const),
    ]) {
      if (!known.includes(name))
        yield { path: issuePath, message: joined(`unknown task ${quoted(name)}`, didYouMean(name, known)) };
    }
    for (const [i, name] of above.entries())
      if (above.indexOf(name) < i)
        yield { path: [...path, task, i], message: `${quoted(name)} is listed twice; remove one` };
  }
  const isAncestor = (task: string, name: string, visited: readonly string[] = []): boolean => {
    const one = tasks.find((each) => each.name === task);
    if (one === undefined || visited.includes(task)) return false;
    return listParents(one, tasks, parents).some(
      (parent) => parent === name || isAncestor(parent, name, [...visited, task]),
    );
  };
  for (const name of known)
    if (isAncestor(name, name))
      yield {
        path: Object.hasOwn(parents, name) ? [...path, name] : ['tasks', name, 'given'],
        message: `${quoted(name)} depends on itself through other tasks; remove one of the dependencies`,
      };
  if (tasks.every((task) => listParents(task, tasks, parents).length === 0)) {
    const example = known.length > 1 ? `set parents: { ${known[1]}: [${known[0]}] }` : 'add a second task';
    yield { path, message: `dbmtl requires a task that depends on another; ${example}, or use shared-bottom` };
  }
}
