import { quoted } from '../core/errors.js';
import { losses, findLoss } from '../losses/losses.js';
import type { ValidationIssue } from '../core/component.js';
import type { Task } from '../core/tasks.js';

/**
 * What is wrong with a task of a model that does something with probabilities, of which it needs the logits.
 * @param does what: multiplies them, or compares them
 */
export function* checkProbability(
  model: string,
  does: 'multiplies' | 'compares',
  task: Task,
): Iterable<ValidationIssue> {
  const { name, type } = task;
  if (type !== 'classification') {
    yield {
      path: ['tasks', name, 'type'],
      message: `${model} ${does} probabilities, and ${quoted(name)} is a ${type}; leave it to another model, as mmoe`,
    };
    return;
  }
  const { name: loss, says } = findLoss(task);
  const others = losses.parts.filter((part) => part.says === 'logit').map((part) => part.name);
  if (says !== 'logit')
    yield {
      path: ['tasks', name, 'loss'],
      message: `${model} ${does} probabilities, and ${loss} does not say the logit of one; take ${others.join(' or ')}, or another model, as mmoe`,
    };
}
