import type { ValidationIssue } from '../core/component.js';
import { quoted } from '../core/errors.js';
import { givenColumn, labelColumn, normalizeGiven, rootTasks, type Task } from '../core/tasks.js';
import { listDelayed, type DelayedTask } from '../delay/delays.js';
import { findLoss } from '../losses/losses.js';

/** Sections that delayed labels depend on; undefined if they did not parse. */
interface Sections {
  readonly training: { readonly shuffle: boolean; readonly epochs: number } | undefined;
  readonly data: { readonly negativeSampling?: object | undefined } | undefined;
}

/** Validates delayed labels against other tasks and sections. */
export function* checkDelays(tasks: readonly Task[], { training, data }: Sections): Generator<ValidationIssue> {
  const delayed = listDelayed(tasks);
  const [first] = delayed;
  if (first === undefined) return;
  for (const each of delayed) yield* checkDelayed(each, first, tasks);
  for (const { name, lossKey } of tasks)
    if (lossKey !== undefined)
      yield {
        path: ['tasks', name, 'loss'],
        message: `compares rows of a batch, which delay of ${quoted(first.task.name)} splits; use another loss`,
      };
  if (data?.negativeSampling !== undefined && rootTasks(tasks).some(({ delay }) => delay !== undefined))
    yield { path: ['data', 'negativeSampling'], message: 'cannot sample negatives of a delayed label; remove it' };
  if (training?.shuffle === true)
    yield {
      path: ['training', 'shuffle'],
      message: `delay of ${quoted(first.task.name)} replays the training set in order of time; set it to false`,
    };
  if (training !== undefined && training.epochs > 1)
    yield {
      path: ['training', 'epochs'],
      message: `delay of ${quoted(first.task.name)} replays the training set once; set it to 1`,
    };
}

function* checkDelayed(
  { task, options, windowMs, samples }: DelayedTask,
  first: DelayedTask,
  tasks: readonly Task[],
): Generator<ValidationIssue> {
  const { name } = task;
  const path = ['tasks', name, 'delay'];
  if (windowMs === 0) yield { path: [...path, 'window'], message: 'expected more than 0' };
  if (samples(undefined).some(({ afterMs }) => afterMs > windowMs))
    yield { path, message: 'waits longer than window; use a shorter wait, or a longer window' };
  for (const key of ['from', 'format'] as const)
    if (options[key] !== first.options[key])
      yield {
        path: [...path, key],
        message:
          `expected ${quoted(first.options[key])} as for ${quoted(first.task.name)}, since rows have one order, ` +
          `found ${quoted(options[key])}`,
      };
  if (task.type !== 'classification')
    yield { path, message: 'requires a classification; remove delay, or set type: classification' };
  const { name: loss } = findLoss(task);
  const isPlain = typeof task.loss !== 'object' || Object.keys(task.loss).length === 1 || task.loss.smoothing === 0;
  if (loss !== findLoss({ type: 'classification' }).name || !isPlain)
    yield {
      path: ['tasks', name, 'loss'],
      message: 'cannot be combined with delay, whose method has its own; remove it',
    };
  for (const key of ['distill', 'positiveWeight'] as const)
    if (task[key] !== undefined)
      yield { path: ['tasks', name, key], message: 'cannot be combined with delay; remove it' };
  const label = labelColumn(task);
  const reader = tasks.find(
    (other) => other !== task && (labelColumn(other) === label || givenColumn(other, tasks) === label),
  );
  if (reader !== undefined)
    yield {
      path,
      message: `its label is also read by task ${quoted(reader.name)}; use another label there, or remove delay`,
    };
  if (normalizeGiven(task)?.violations === 'keep')
    yield { path: ['tasks', name, 'given', 'violations'], message: 'keep cannot be combined with delay; use skip' };
}
