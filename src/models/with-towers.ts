import type { z } from 'zod';
import type { BottomPart } from '../bottoms/bottom.js';
import { inputOption, selectGroups } from '../graph/features.js';
import type { Value } from '../graph/operations.js';
import type { OptionsOf } from '../core/component.js';
import { defineModel, type ModelPart, type ModelTask } from './model.js';
import { checkStreamTasks } from './check-streams.js';
import { checkTaskTowers, taskTowerOptions, taskTowers } from './task-towers.js';

const towersOptions = { input: inputOption('the layers below the towers read; default: all'), ...taskTowerOptions };

/**
 * Creates a model of some shared layers and a tower per task. It has their name and their options, plus `input` and the
 * options of towers.
 */
export function modelFromBottom<const Name extends string, Shape extends z.ZodRawShape>(
  bottom: BottomPart<Name, Shape>,
): ModelPart<Name, Shape & typeof towersOptions> {
  // The options extend those of the shared layers, which TypeScript cannot infer from the generic shape.
  const toBottomOptions = (options: unknown): OptionsOf<Shape> => options as OptionsOf<Shape>;
  const toTowerOptions = (options: unknown): OptionsOf<typeof towersOptions> =>
    options as OptionsOf<typeof towersOptions>;
  return defineModel({
    name: bottom.name,
    summary: `${bottom.summary}, and a tower per task`,
    options: () => ({ ...bottom.options(), ...towersOptions }),
    check: (options) => bottom.check?.(toBottomOptions(options)) ?? [],
    *checkTasks(tasks, options) {
      yield* checkTaskTowers(tasks, toTowerOptions(options));
      if (bottom.hasStreams?.(toBottomOptions(options)) === true) yield* checkStreamTasks(tasks);
      for (const { path, message } of bottom.checkTasks?.(
        toBottomOptions(options),
        tasks.map(({ name }) => name),
      ) ?? [])
        yield { path: ['model', ...path], message };
    },
    embeddingParts: (options, tasks) => bottom.embeddingParts?.(toBottomOptions(options), tasks) ?? [],
    build(options, context) {
      const { outputs, gates, streams } = bottom.build(toBottomOptions(options), {
        ...context,
        ...selectGroups(context.g, context, toTowerOptions(options).input),
        tasks: context.tasks.map(({ name }) => name),
      });
      const getInput = ({ name }: ModelTask): Value => outputs.get(name)!;
      const output = taskTowers(context, toTowerOptions(options), getInput, () => streams);
      return gates === undefined ? output : { ...output, gates };
    },
  });
}
