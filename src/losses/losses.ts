import { z } from 'zod';
import { registry } from '../part.js';
import type { Task } from '../tasks.js';
import * as all from './all.js';

/** Every loss by its name in the YAML. */
export const losses = registry(all);
export type LossSpec = Parameters<typeof losses.build>[0];

/** How a task names its loss in the YAML: by its name alone, or with options. */
export const lossOption = z.union([z.enum(losses.names), losses.schema]);

/** What a task takes whose loss is not named. */
const DEFAULTS: Readonly<Record<Task['type'], string>> = { classification: all.crossEntropy.name, regression: all.squared.name };

/** The loss of a task with all of its options. */
export function lossOf({ type, loss = DEFAULTS[type] }: Pick<Task, 'type' | 'loss'>): LossSpec {
  return losses.schema.parse(typeof loss === 'string' ? { name: loss } : loss);
}

/** The part that it is. */
export function lossPartOf(task: Pick<Task, 'type' | 'loss'>): (typeof losses.parts)[number] {
  return losses.partOf(lossOf(task));
}
