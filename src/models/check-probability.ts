import { quoted } from '../core/errors.js';
import { losses, findLoss } from '../losses/losses.js';
import type { ValidationIssue } from '../core/component.js';
import type { Task } from '../core/tasks.js';

/**
 * Validates a task of a model that requires logits of probabilities.
 * @param does what the model does with probabilities
 */
export function* checkProbability(
  model: string,
  does: 'multiplies' | 'compares',
  task: Task,
): Iterable<ValidationIssue> {
  const { name, type, given, distill, delay } = task;
  if (type !== 'classification') {
    yield {
      path: ['tasks', name, 'type'],
      message: `${model} ${does} probabilities, but ${quoted(name)} is a ${type}; use another model, such as mmoe`,
    };
    return;
  }
  if (distill !== undefined && given !== undefined)
    yield {
      path: ['tasks', name, 'distill'],
      message:
        `${model} trains ${quoted(name)} through its product with the tasks before it, not on its own; ` +
        'remove distill, distill a task without given, or use another model, such as mmoe',
    };
  if (delay !== undefined)
    yield {
      path: ['tasks', name, 'delay'],
      message: `${model} ${does} probabilities of final labels; remove delay, or use another model, such as mmoe`,
    };
  const { name: loss, outputKind: says } = findLoss(task);
  const others = losses.parts.filter((part) => part.outputKind === 'logit').map((part) => part.name);
  if (says !== 'logit')
    yield {
      path: ['tasks', name, 'loss'],
      message:
        `${model} ${does} probabilities, but loss ${loss} has no logit; ` +
        `use ${others.join(' or ')}, or another model, such as mmoe`,
    };
}
