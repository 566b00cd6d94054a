import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { registry } from '../part.js';
import type { Task } from '../tasks.js';
import * as all from './all.js';

/** Every model by its name in the YAML. */
export const models = registry(all);
export type ModelSpec = Parameters<typeof models.build>[0];

/**
 * Builds the graph of a model.
 * @param inputWidth columns of the features: embedding widths and numbers
 */
export function buildModel(spec: ModelSpec, inputWidth: number, tasks: readonly Task[]): Graph {
  const g = new GraphBuilder();
  const input = g.input({ kind: 'features' }, inputWidth);
  const labels = new Map<string, ReturnType<typeof g.input>>();
  const label = (column: string): ReturnType<typeof g.input> => {
    const value = labels.get(column) ?? g.input({ kind: 'label', column }, 1);
    labels.set(column, value);
    return value;
  };
  const modelTasks = tasks.map((task) => ({
    ...task,
    labelValue: label(task.label),
    mask: task.given === undefined ? undefined : label(task.given),
  }));
  const output = models.build(spec, { g, input, tasks: modelTasks });
  return { values: g.values, parameters: g.parameters, ...output };
}
