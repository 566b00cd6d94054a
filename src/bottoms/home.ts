import { z } from 'zod';
import { didYouMean, joined, quoted } from '../core/errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import { selectGroups } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, buildGate, concatExperts, type Experts } from './bottom.js';
import { checkExperts, expertOptions, gateOptions } from './expert-options.js';

const count = (described: string) => z.int().min(1).max(1024).default(1).describe(described);
/** Category of tasks without a category. */
const OTHER_TASKS = 'others';

/**
 * Hierarchy of Multi-gate Experts (HoME; Wang et al. 2024, https://arxiv.org/abs/2408.05430) for tasks in categories.
 * Meta experts (per category, and shared) produce the representation of a category; task experts (per task, per
 * category, and shared) read it. An expert is linear, batch norm and swish, which keeps experts active and on the same
 * scale. A feature gate, 2 · sigmoid of a low-rank product, gives each expert its own view of the input. A self-gate
 * adds a unit's own experts to its gate's mixture, so that they train even if the gate prefers shared ones. The
 * self-gate is a softmax over the experts, or a sigmoid for a single one.
 *
 * Gates of tasks read the concatenated representations of their category and of all tasks; self-gates read the input of
 * their experts. This is an interpretation of the paper, whose code is not public. Its feature gates are sums of
 * several smaller ones; here each expert has one of `featureGate.rank`.
 */
export const home = defineBottom({
  name: 'home',
  summary: 'Hierarchy of Multi-gate Experts: meta experts of task categories below task experts',
  options: () => ({
    categories: z
      .record(z.string(), z.array(z.string()).min(1))
      .default({})
      .describe('Task categories, by name; tasks of no category form one together'),
    experts: expertOptions
      .extend({
        activation: expertOptions.shape.activation.unwrap().default('swish').describe('Activation after each layer'),
        batchNorm: expertOptions.shape.batchNorm
          .unwrap()
          .default(true)
          .describe('Whether to apply batch norm between a layer and its activation'),
        shared: count('Number of experts shared by all tasks, on both levels'),
        perCategory: count('Number of experts per category, on both levels'),
        perTask: count('Number of experts per task'),
      })
      .prefault({})
      .describe('Experts of both levels'),
    featureGate: z
      .strictObject({
        rank: z
          .int()
          .min(0)
          .max(4096)
          .default(4)
          .describe("Rank of the feature gate's product; 0 disables feature gates"),
      })
      .prefault({})
      .describe("Feature gate of each expert's input"),
    selfGate: z.boolean().default(true).describe("Whether a task's own experts are added through a gate of their own"),
    gate: gateOptions,
  }),
  check: checkExperts,

  *checkTasks({ categories }, tasks) {
    const all = Object.values(categories).flat();
    for (const [category, members] of Object.entries(categories)) {
      for (const [i, task] of members.entries()) {
        const path = ['categories', category, i];
        if (!tasks.includes(task))
          yield { path, message: joined(`unknown task ${quoted(task)}`, didYouMean(task, tasks)) };
        else if (all.filter((each) => each === task).length > 1)
          yield { path, message: `${quoted(task)} is in two categories; remove it from one` };
      }
    }
  },

  build({ categories, experts, featureGate: { rank }, selfGate, gate }, { g, tasks, ...features }) {
    const { shared, perCategory, perTask, ...expert } = experts;
    const { input } = features;
    const gateInput = gate.input && selectGroups(g, features, gate.input).input;
    const unitExperts = (name: string, numExperts: number, x: Value): Experts =>
      buildExperts(
        g,
        x,
        expert,
        rank,
        Array.from({ length: numExperts }, (_, e) => `${name}.${e}`),
      );
    const gates = new Map<string, Gate>();
    /** Mixes the experts that a unit can access, including its own. */
    const fuse = (
      name: string,
      source: Value,
      all: Experts,
      ownExperts: { readonly experts: Experts; readonly input: Value },
    ): Value => {
      const output = buildGate(g, gateInput ?? source, all, gate, `gates.${name}`);
      gates.set(name, output.gate);
      return selfGate
        ? g.add(output.mixture, buildSelfGate(g, ownExperts.input, ownExperts.experts, `selfGates.${name}`))
        : output.mixture;
    };

    const groups = groupByCategory(categories, tasks);
    const metaShared = unitExperts('meta.shared', shared, input);
    const meta = new Map(
      [...groups.keys()].map(
        (category) => [category, unitExperts(`meta.categories.${category}`, perCategory, input)] as const,
      ),
    );
    const all = concatExperts([...meta.values(), metaShared]);
    const sharedMeaning = fuse('meta.shared', input, all, { experts: metaShared, input: input });

    const sharedTaskExperts = unitExperts('experts.shared', shared, sharedMeaning);
    const outputs = new Map<string, Value>();
    for (const [category, members] of groups) {
      const ownExperts = meta.get(category)!;
      const meaning = fuse(`meta.categories.${category}`, input, concatExperts([ownExperts, metaShared]), {
        experts: ownExperts,
        input: input,
      });
      const categoryTaskExperts = unitExperts(`experts.categories.${category}`, perCategory, meaning);
      const source = g.concat([meaning, sharedMeaning]);
      for (const task of members) {
        const taskExperts = unitExperts(`experts.tasks.${task}`, perTask, meaning);
        outputs.set(
          task,
          fuse(task, source, concatExperts([taskExperts, categoryTaskExperts, sharedTaskExperts]), {
            experts: taskExperts,
            input: meaning,
          }),
        );
      }
    }
    return { outputs, gates };
  },
});

/** Groups tasks by category, each in config order. */
function groupByCategory(
  categories: Readonly<Record<string, readonly string[]>>,
  tasks: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const assigned = new Set(Object.values(categories).flat());
  const unassigned = tasks.filter((task) => !assigned.has(task));
  return new Map([
    ...Object.entries(categories),
    ...(unassigned.length > 0 ? [[OTHER_TASKS, unassigned] as const] : []),
  ]);
}

/** Builds experts, each with its feature gate. */
function buildExperts(g: GraphBuilder, x: Value, options: MlpOptions, rank: number, names: readonly string[]): Experts {
  const view = (name: string): Value => {
    if (rank === 0) return x;
    const low = g.linear(x, rank, `${name}.featureGate.down`, { bias: false });
    const scores = g.linear(low, x.width, `${name}.featureGate.up`, { bias: false });
    return g.multiply(g.affine(g.activation(scores, 'sigmoid', `${name}.featureGate`), 2, 0), x);
  };
  return { names, values: names.map((name) => mlp(g, view(name), options, name)) };
}

/** Mixes a unit's own experts with a separate gate. */
function buildSelfGate(g: GraphBuilder, x: Value, { values }: Experts, name: string): Value {
  const scores = g.linear(x, values.length, name);
  return g.mixture(
    values.length === 1 ? g.activation(scores, 'sigmoid', `${name}.sigmoid`) : g.softmax(scores),
    values,
  );
}
