import { z } from 'zod';
import { bottomEmbeddingParts, bottomSchema, buildBottom, checkBottom, hasStreams } from '../bottoms/bottoms.js';
import type { BottomOutput } from '../bottoms/bottom.js';
import { mlp } from '../bottoms/mlp.js';
import { embeddingPart } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import { checkStreamTasks } from './check-streams.js';
import { defineModel, type ModelTask } from './model.js';
import { checkTaskTowers, taskTowerOptions, taskTowers } from './task-towers.js';

/**
 * Single-Task, the baseline of multi-task models (in Ma et al. 2018, https://dl.acm.org/doi/10.1145/3219819.3220007,
 * and Tang et al. 2020, https://dl.acm.org/doi/10.1145/3383313.3412236): one independent model per task, with its own
 * embeddings, layers and tower. Since they train in one run, they share step times, the norm of `training.clip` and the
 * selected epoch. `embeddings: shared` shares the embeddings. As in any model, a task with `given` reads all rows, and
 * its loss counts those where it is defined.
 */
export const singleTask = defineModel({
  name: 'single-task',
  summary: 'one separate model per task, with its own embeddings',
  options: () => ({
    bottom: bottomSchema.prefault({ name: mlp.name }).describe('Layers of each task below its tower'),
    embeddings: z
      .enum(['own', 'shared'])
      .default('own')
      .describe('Whether each task has its own embeddings, or all share them'),
    ...taskTowerOptions,
  }),
  *checkTasks(tasks, options) {
    yield* checkTaskTowers(tasks, options);
    for (const task of tasks) yield* checkBottom(options.bottom, [task]);
    if (hasStreams(options.bottom)) yield* checkStreamTasks(tasks);
  },
  embeddingParts: ({ bottom, embeddings }, tasks) => {
    if (embeddings === 'shared') return bottomEmbeddingParts(bottom, tasks.slice(0, 1));
    return tasks.flatMap((task) => {
      const parts = bottomEmbeddingParts(bottom, [task]);
      return parts.length === 0 ? [task] : parts;
    });
  },

  build({ bottom, embeddings, ...towers }, context) {
    const { g, input, fields, tasks } = context;
    const bottoms = new Map<string, BottomOutput>();
    const gates = new Map<string, Gate>();
    for (const [t, { name }] of tasks.entries()) {
      const features = embeddings === 'own' ? embeddingPart(g, { input, fields }, t, tasks.length) : { input, fields };
      const prefix = `tasks.${name}`;
      const own = buildBottom(bottom, { g: g.within(prefix), ...features, tasks: [name] });
      bottoms.set(name, own);
      for (const [gate, { shares, experts }] of own.gates ?? [])
        gates.set(`${name}: ${gate}`, { shares, experts: experts.map((expert) => `${prefix}.${expert}`) });
    }
    const getInput = ({ name }: ModelTask): Value => bottoms.get(name)!.outputs.get(name)!;
    return { ...taskTowers(context, towers, getInput, ({ name }) => bottoms.get(name)!.streams), gates };
  },
});
