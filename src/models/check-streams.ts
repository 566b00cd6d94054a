import { hasStreams, type BottomSpec } from '../bottoms/bottoms.js';
import type { ValidationIssue } from '../core/component.js';
import { quoted } from '../core/errors.js';
import type { Task } from '../core/tasks.js';
import { findLoss, losses } from '../losses/losses.js';

/** Validates the tasks above shared layers with streams: the mean of logits is distilled into each. */
export function* checkStreamTasks(tasks: readonly Task[]): Iterable<ValidationIssue> {
  const others = losses.parts.filter(({ outputKind }) => outputKind === 'logit').map(({ name }) => name);
  for (const task of tasks) {
    if (task.delay !== undefined)
      yield {
        path: ['tasks', task.name, 'delay'],
        message: 'cannot be combined with distillation of the bottom; remove one of them',
      };
    const { name: loss, outputKind } = findLoss(task);
    if (task.type !== 'classification' || outputKind !== 'logit')
      yield {
        path: ['model', 'bottom'],
        message:
          `distillation requires tasks with the logit of a probability, but ${quoted(task.name)} is a ${task.type} ` +
          `with loss ${loss}; use ${others.join(' or ')}, or remove distillation`,
      };
  }
}

/** Rejects shared layers with streams below a model whose towers exchange layers. */
export function* refuseStreams(model: string, bottom: BottomSpec): Iterable<ValidationIssue> {
  if (hasStreams(bottom))
    yield {
      path: ['model', 'bottom'],
      message: `${model} has layers between bottom and towers, so distillation does not apply; remove distillation`,
    };
}
