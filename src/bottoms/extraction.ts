import { z } from 'zod';
import { selectGroups } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import type { BottomContext, BottomOutput, Experts } from './bottom.js';
import { buildGate, concatExperts } from './bottom.js';
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
    gate: gateOptions,
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
  const gateInput = gate.input && selectGroups(g, features, gate.input).input;
  const gates = new Map<string, Gate>();
  let inputs = new Map<string, Value>(tasks.map((task) => [task, input]));
  let sharedInput = input;
  for (let level = 0; level < levels; level++) {
    const prefix = `levels.${level}`;
    const buildExperts = (name: string, count: number, x: Value): Experts => {
      const names = Array.from({ length: count }, (_, e) => `${prefix}.${name}.${e}`);
      return { names, values: names.map((each) => mlp(g, x, expert, each)) };
    };
    const taskExperts = new Map(tasks.map((task) => [task, buildExperts(`tasks.${task}`, perTask, inputs.get(task)!)]));
    const sharedExperts = buildExperts('shared', shared, sharedInput);
    const outputs = new Map<string, Value>();
    for (const task of tasks) {
      const output = buildGate(
        g,
        gateInput ?? inputs.get(task)!,
        concatExperts([taskExperts.get(task)!, sharedExperts]),
        gate,
        `${prefix}.gates.${task}`,
      );
      outputs.set(task, output.mixture);
      gates.set(levels === 1 ? task : `${task}, level ${level + 1}`, output.gate);
    }
    if (level < levels - 1) {
      const output = buildGate(
        g,
        gateInput ?? sharedInput,
        concatExperts([...taskExperts.values(), sharedExperts]),
        gate,
        `${prefix}.sharedGate`,
      );
      gates.set(`shared, level ${level + 1}`, output.gate);
      sharedInput = output.mixture;
    }
    inputs = outputs;
  }
  return { outputs: inputs, gates };
}
