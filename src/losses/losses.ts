import { z } from 'zod';
import { registry } from '../core/component.js';
import type { Task } from '../core/tasks.js';
import * as all from './all.js';

/** Every loss by its name in the config. */
export const losses = registry(all);
export type LossSpec = Parameters<typeof losses.build>[0];

/** A loss given by name only, which requires that it has no required options. */
const nameAlone = z.enum(losses.names).superRefine((name, context) => {
  const { error } = losses.schema.safeParse({ name });
  if (error === undefined) return;
  const needed = error.issues.map(({ path }) => path.join('.')).join(', ');
  context.addIssue({ code: 'custom', message: `${name} requires ${needed}; write { name: ${name}, ${needed}: … }` });
});

/** Schema of a task's loss: its name, or a map with options. */
export const lossOption = z.union([nameAlone, losses.schema]);

const DEFAULTS: Readonly<Record<Task['type'], string>> = {
  classification: all.crossEntropy.name,
  regression: all.squared.name,
};

/** Returns the loss of a task with all of its options. */
export function resolveLoss({ type, loss = DEFAULTS[type] }: Pick<Task, 'type' | 'loss'>): LossSpec {
  return losses.schema.parse(typeof loss === 'string' ? { name: loss } : loss);
}

/** Returns the registered loss of a task. */
export function findLoss(task: Pick<Task, 'type' | 'loss'>): (typeof losses.parts)[number] {
  return losses.partOf(resolveLoss(task));
}
