import { quoted } from '../core/errors.js';
import type { Term } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue } from '../core/component.js';
import { normalizeGiven, tasksGiven, type Task } from '../core/tasks.js';
import { checkProbability } from './check-probability.js';
import { buildLossTerm, type ModelContext, type ModelOutput } from './model.js';

/** Validates the tasks of `model`, in which each task depends on its predecessor in the funnel. */
export function* checkSequentialFunnel(model: string, tasks: readonly Task[]): Iterable<ValidationIssue> {
  if (tasks.length < 2)
    yield { path: ['tasks'], message: `${model} requires at least two tasks; list them in funnel order` };
  for (const [t, task] of tasks.entries()) {
    const { name } = task;
    yield* checkProbability(model, 'compares', task);
    const previous = tasks[t - 1];
    const given = normalizeGiven(task)?.named;
    if (given !== undefined && (previous === undefined || !tasksGiven(task, tasks).includes(previous))) {
      yield {
        path: ['tasks', name, 'given'],
        message: `expected ${describeGiven(previous)}, found ${quoted(given)}; ${model} requires tasks in funnel order`,
      };
    }
  }
}

/** Describes the `given` that a task requires after `previous`. */
function describeGiven(previous: Task | undefined): string {
  if (previous === undefined) return 'no given, since the task is first';
  return typeof previous.label === 'string'
    ? `${quoted(previous.label)}, the label of the previous task`
    : `${quoted(previous.name)}, the previous task`;
}

/** Output of a sequential funnel, with the probability of each task. */
export interface SequentialFunnel extends ModelOutput {
  readonly probabilities: readonly Value[];
}

/**
 * Builds predictions and loss terms. Every task trains on all rows, so its logit is the logit of the joint probability
 * with all tasks before it. The conditional prediction is the quotient with the predecessor's.
 */
export function buildSequentialFunnel(
  { g, tasks }: Pick<ModelContext, 'g' | 'tasks'>,
  logits: readonly Value[],
): SequentialFunnel {
  const probabilities = logits.map((logit, t) => g.activation(logit, 'sigmoid', `${tasks[t]!.name}.probability`));
  const terms = tasks.map((task, t): Term =>
    buildLossTerm(g, task, logits[t]!, task.countedInChain, task.given === undefined ? task.name : `ct${task.name}`),
  );
  const conditional = (t: number): Value =>
    g.clip(g.multiply(probabilities[t]!, g.reciprocal(probabilities[t - 1]!)), 0, 1);
  return {
    probabilities,
    terms,
    predictions: new Map(
      tasks.map(({ name, given }, t) => [name, given === undefined ? probabilities[t]! : conditional(t)]),
    ),
  };
}
