import { z } from 'zod';
import { selectGroups } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import type { BottomContext, BottomOutput, Experts } from './bottom.js';
import { gated, joinedExperts } from './bottom.js';
import { expertOptions, gateOptions, type GateOptions } from './expert-options.js';

/** Creates the options of task-specific and shared experts. */
export function extractionOptions() {
  return {
    experts: expertOptions
      .extend({
        shared: z.int().min(1).max(1024).default(2).describe('Number of experts shared by all tasks'),
        perTask: z.int().min(1).max(1024).default(2).describe('Number of experts per task'),
      })
      .prefault({})
      .describe('Experts of each level'),
    gate: gateOptions(true),
  };
}

interface ExtractionOptions {
  readonly experts: MlpOptions & { readonly shared: number; readonly perTask: number };
  readonly gate: GateOptions;
}

/**
 * Builds levels of Customized Gate Control (Tang et al. 2020, https://dl.acm.org/doi/10.1145/3383313.3412236, sections
 * 4.1 and 4.2). A task's gate mixes its own experts and the shared ones. Below the last level, a shared gate mixes all
 * experts into the input of the next level's shared experts. Gates read the input of their experts, or the features of
 * their option `input`.
 */
export function extraction(
  levels: number,
  { experts: { shared, perTask, ...expert }, gate }: ExtractionOptions,
  { g, tasks, ...features }: BottomContext,
): BottomOutput {
  const { input } = features;
  const seen = gate.input && selectGroups(g, features, gate.input).input;
  const gates = new Map<string, Gate>();
  let inputs = new Map<string, Value>(tasks.map((task) => [task, input]));
  let sharedInput = input;
  for (let level = 0; level < levels; level++) {
    const prefix = `levels.${level}`;
    const expertsOf = (name: string, count: number, x: Value): Experts => {
      const names = Array.from({ length: count }, (_, e) => `${prefix}.${name}.${e}`);
      return { names, values: names.map((each) => mlp(g, x, expert, each)) };
    };
    const own = new Map(tasks.map((task) => [task, expertsOf(`tasks.${task}`, perTask, inputs.get(task)!)]));
    const common = expertsOf('shared', shared, sharedInput);
    const outputs = new Map<string, Value>();
    for (const task of tasks) {
      const found = gated(
        g,
        seen ?? inputs.get(task)!,
        joinedExperts([own.get(task)!, common]),
        gate,
        `${prefix}.gates.${task}`,
      );
      outputs.set(task, found.mixture);
      gates.set(levels === 1 ? task : `${task}, level ${level + 1}`, found.gate);
    }
    if (level < levels - 1) {
      const found = gated(
        g,
        seen ?? sharedInput,
        joinedExperts([...own.values(), common]),
        gate,
        `${prefix}.sharedGate`,
      );
      gates.set(`shared, level ${level + 1}`, found.gate);
      sharedInput = found.mixture;
    }
    inputs = outputs;
  }
  return { outputs: inputs, gates };
}
