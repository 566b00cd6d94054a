import { z } from 'zod';
import { embeddingPart, selectGroups, type Features } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, buildGate, type Experts } from './bottom.js';
import { checkExperts, expertOptions, gateOptions } from './expert-options.js';

/**
 * Shared and Task-specific EMbeddings (STEM-Net; Su et al. 2024, https://arxiv.org/abs/2308.13537): every field has one
 * embedding per task and a shared one, each of the configured width, with experts for each. All forward, task-specific
 * backward: a task's gate mixes the experts of all tasks and the shared ones, but its gradient does not reach the
 * experts of other tasks.
 *
 * Gates read the sum of the task's and the shared embeddings, as in the authors' code
 * (https://github.com/LiangcaiSu/STEM), where a gate may also have hidden layers; here it is one layer. With several
 * levels, a shared gate over all experts, without a gradient stop, produces the input of the next level's shared
 * experts. The code builds it for the last level too, where its result is unused. Numbers have no embeddings: all
 * experts read them.
 */
export const stem = defineBottom({
  name: 'stem',
  summary: 'STEM: task-specific embeddings and experts, read but not trained by other tasks',
  options: () => ({
    levels: z.int().min(1).max(64).default(1).describe('Number of stacked expert levels'),
    experts: expertOptions
      .extend({
        shared: z.int().min(1).max(1024).default(1).describe('Number of experts shared and trained by all tasks'),
        perTask: z.int().min(1).max(1024).default(1).describe('Number of experts per task'),
      })
      .prefault({})
      .describe('Experts of each level'),
    gate: gateOptions,
    stopGradient: z.boolean().default(true).describe('Whether gradients of a task stop at the experts of other tasks'),
  }),
  check: checkExperts,
  embeddingParts: (_, tasks) => [...tasks, 'shared'],

  build({ levels, experts: { shared, perTask, ...expert }, gate, stopGradient }, { g, tasks, ...features }) {
    const parts = (selected: Features): readonly Value[] =>
      [...tasks, undefined].map((_, i) => embeddingPart(g, selected, i, tasks.length + 1).input);
    const gateInput = gate.input && parts(selectGroups(g, features, gate.input));
    const gates = new Map<string, Gate>();
    let inputs = parts(features);
    for (let level = 0; level < levels; level++) {
      const prefix = `levels.${level}`;
      const buildExperts = (name: string, count: number, x: Value): Experts => {
        const names = Array.from({ length: count }, (_, e) => `${prefix}.${name}.${e}`);
        return { names, values: names.map((each) => mlp(g, x, expert, each)) };
      };
      const all = [
        ...tasks.map((task, t) => buildExperts(`tasks.${task}`, perTask, inputs[t]!)),
        buildExperts('shared', shared, inputs.at(-1)!),
      ];
      const names = all.flatMap((each) => each.names);
      const gateParts = gateInput ?? inputs;
      const isLast = level === levels - 1;
      const outputs = tasks.map((task, t) => {
        const isForeign = (unit: number): boolean => stopGradient && unit !== t && unit < tasks.length;
        const values = all.flatMap((each, unit) =>
          isForeign(unit) ? each.values.map((value): Value => g.stopGradient(value)) : each.values,
        );
        const output = buildGate(
          g,
          g.add(gateParts[t]!, gateParts.at(-1)!),
          { names, values },
          gate,
          `${prefix}.gates.${task}`,
        );
        gates.set(levels === 1 ? task : `${task}, level ${level + 1}`, output.gate);
        return output.mixture;
      });
      if (!isLast) {
        const output = buildGate(
          g,
          gateParts.at(-1)!,
          { names, values: all.flatMap((each) => each.values) },
          gate,
          `${prefix}.sharedGate`,
        );
        gates.set(`shared, level ${level + 1}`, output.gate);
        outputs.push(output.mixture);
      }
      inputs = outputs;
    }
    return { outputs: new Map(tasks.map((task, t) => [task, inputs[t]!])), gates };
  },
});
