import type { z } from 'zod';
import type { BottomPart } from '../bottoms/bottom.js';
import type { OptionsOf } from '../part.js';
import { defineModel, type ModelPart } from './model.js';
import { checkTaskTowers, taskTowerOptions, taskTowers } from './task-towers.js';

/**
 * The model that has nothing but a tower for every task on some shared layers: it is called like these and takes their options
 * beside those of towers.
 */
export function towersOn<const Name extends string, Shape extends z.ZodRawShape>(bottom: BottomPart<Name, Shape>): ModelPart<Name, Shape & typeof taskTowerOptions> {
  // Options of the model are those of its bottom and more; TypeScript cannot see it through the type of the shape.
  const ownOf = (options: unknown): OptionsOf<Shape> => options as OptionsOf<Shape>;
  const towersOf = (options: unknown): OptionsOf<typeof taskTowerOptions> => options as OptionsOf<typeof taskTowerOptions>;
  return defineModel({
    name: bottom.name,
    summary: `${bottom.summary}; a tower for every task`,
    options: { ...bottom.options, ...taskTowerOptions },
    check: (options) => bottom.check?.(ownOf(options)) ?? [],
    checkTasks: (tasks, options) => checkTaskTowers(tasks, towersOf(options)),
    build(options, context) {
      const { outputs, gates } = bottom.build(ownOf(options), { ...context, tasks: context.tasks.map(({ name }) => name) });
      const output = taskTowers(context, towersOf(options), ({ name }) => outputs.get(name)!);
      return gates === undefined ? output : { ...output, gates };
    },
  });
}
