import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Batch } from '../../src/core/batch.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { tableTensor, type Plan } from '../../src/engines/engine.js';
import { buildModel, models } from '../../src/models/models.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { readSafetensors, type StoredTensor } from '../../src/io/safetensors.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import type { HostTensor } from '../../src/core/tensor.js';

/** Cases of torch-rechub in our words: its model, its names and the layout of its tensors. */

const mlpParams = z.strictObject({
  dims: z.array(z.int()),
  dropout: z.number().optional(),
  activation: z.enum(['relu', 'sigmoid', 'prelu', 'leakyrelu']).optional(),
});
type MlpParams = z.output<typeof mlpParams>;

export const caseSchema = z.object({
  case: z.string(),
  model: z.looseObject({ name: z.string() }),
  task_types: z.array(z.enum(['classification', 'regression'])),
  labels: z.array(z.string()),
  embed_dim: z.int(),
  sparse: z.array(z.tuple([z.string(), z.int()])),
  dense: z.array(z.string()),
  batch: z.int(),
  steps: z.int(),
  optimizer: z.object({
    name: z.literal('adam'),
    lr: z.number(),
    weight_decay: z.number(),
    betas: z.tuple([z.number(), z.number()]),
    eps: z.number(),
    dense_embedding_update: z.boolean(),
  }),
  losses: z.array(z.object({ total: z.number(), tasks: z.array(z.number()) })),
});
export type RechubCase = z.output<typeof caseSchema>;

/** A model of torch-rechub in our words. */
export interface Translation {
  readonly spec: { readonly name: string };
  readonly tasks: readonly Task[];
  /** Fields in the order in which the model concatenates them. */
  readonly fields: readonly string[];
  /** From the start of a torch module's name to the start of ours. */
  readonly modules: readonly (readonly [RegExp, string])[];
  /** Columns of torch-rechub's predictions, from ours by task. */
  predictions(ours: ReadonlyMap<string, Float32Array>): readonly Float32Array[];
  /** For each of torch-rechub's task losses: our term, or the prediction column that it is measured on. */
  readonly losses: readonly ({ readonly term: string } | { readonly measured: number })[];
}

const blocks = ({ dims, activation, dropout }: MlpParams): object => ({
  hidden: dims,
  activation: activation === 'leakyrelu' ? 'leaky-relu' : (activation ?? 'relu'),
  dropout: dropout ?? 0,
  batchNorm: true,
});

const NORMED_GATE = { batchNorm: true };

const task = (name: string, options: z.input<typeof taskOptions>): Task => ({ name, ...taskOptions.parse(options) });

/** What a model with a tower for every task has in common with others: torch-rechub counts tasks, we name them. */
function taskTowers(
  c: RechubCase,
  towers: readonly MlpParams[],
): Omit<Translation, 'spec'> & { readonly spec: object } {
  const names = c.labels.map((label, t) => `task${t}_${label}`);
  return {
    spec: { towers: Object.fromEntries(names.map((name, t) => [name, blocks(towers[t]!)])) },
    tasks: names.map((name, t) =>
      task(name, { label: c.labels[t]!, type: c.task_types[t]!, weight: 1 / names.length }),
    ),
    fields: [...c.sparse.map(([field]) => field), ...c.dense],
    modules: names.map((name, t) => [new RegExp(`^towers\\.${t}\\.mlp`), `towers.${name}`] as const),
    predictions: (ours) => names.map((name) => ours.get(name)!),
    losses: names.map((name) => ({ term: name })),
  };
}

const TRANSLATIONS: Readonly<Record<string, (c: RechubCase) => Translation>> = {
  ESMM(c) {
    const model = z
      .object({ user: z.array(z.string()), item: z.array(z.string()), cvr: mlpParams, ctr: mlpParams })
      .parse(c.model);
    return {
      spec: { name: 'esmm', ctrTower: blocks(model.ctr), cvrTower: blocks(model.cvr) },
      tasks: [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })],
      fields: [...model.user, ...model.item],
      modules: [[/^tower_(cvr|ctr)\.mlp/, 'towers.$1']],
      predictions: (ours) => {
        const cvr = ours.get('cvr')!;
        const ctr = ours.get('ctr')!;
        return [cvr, ctr, cvr.map((p, b) => p * ctr[b]!)];
      },
      losses: [{ measured: 0 }, { term: 'ctr' }, { term: 'ctcvr' }],
    };
  },

  AITM(c) {
    const model = z.object({ bottom: mlpParams, towers: z.array(mlpParams) }).parse(c.model);
    const onTasks = taskTowers(c, model.towers);
    return {
      ...onTasks,
      // torch-rechub has no calibrator.
      spec: { name: 'aitm', bottom: blocks(model.bottom), gate: NORMED_GATE, calibrator: 0, ...onTasks.spec },
      modules: [
        ...onTasks.tasks.flatMap(({ name }, t) => [
          [new RegExp(`^bottoms\\.${t}\\.mlp`), `bottoms.${name}`] as const,
          [new RegExp(`^info_gates\\.${t - 1}\\.mlp`), `gates.${name}`] as const,
          ...['query', 'key', 'value'].map(
            (role) =>
              [new RegExp(`^aits\\.${t - 1}\\.${role[0]!}_layer\\.weight`), `attention.${name}.${role}`] as const,
          ),
        ]),
        ...onTasks.modules,
      ],
    };
  },

  SharedBottom(c) {
    const model = z.object({ bottom: mlpParams, towers: z.array(mlpParams) }).parse(c.model);
    const onTasks = taskTowers(c, model.towers);
    return {
      ...onTasks,
      spec: { name: 'shared-bottom', ...blocks(model.bottom), ...onTasks.spec },
      modules: [[/^bottom_mlp\.mlp/, 'bottom'], ...onTasks.modules],
    };
  },

  PLE(c) {
    const model = z
      .object({
        n_level: z.int(),
        n_expert_specific: z.int(),
        n_expert_shared: z.int(),
        expert: mlpParams,
        towers: z.array(mlpParams),
      })
      .parse(c.model);
    const onTasks = taskTowers(c, model.towers);
    const perTask = model.n_expert_specific;
    const gate = (torch: string, ours: string) =>
      [
        [new RegExp(`^${torch}\\.mlp\\.0`), ours],
        [new RegExp(`^${torch}\\.mlp\\.1`), `${ours}.norm`],
      ] as const;
    return {
      ...onTasks,
      spec: {
        name: 'ple',
        levels: model.n_level,
        gate: NORMED_GATE,
        experts: { shared: model.n_expert_shared, perTask, ...blocks(model.expert) },
        ...onTasks.spec,
      },
      modules: [
        [/^cgc_layers\.(\d+)\.experts_shared\.(\d+)\.mlp/, 'levels.$1.shared.$2'],
        ...gate('cgc_layers\\.(\\d+)\\.gate_shared', 'levels.$1.sharedGate'),
        ...onTasks.tasks.flatMap(({ name }, t) => [
          ...gate(`cgc_layers\\.(\\d+)\\.gates_specific\\.${t}`, `levels.$1.gates.${name}`),
          // torch-rechub counts the experts of all tasks through.
          ...Array.from(
            { length: perTask },
            (_, e) =>
              [
                new RegExp(`^cgc_layers\\.(\\d+)\\.experts_specific\\.${t * perTask + e}\\.mlp`),
                `levels.$1.tasks.${name}.${e}`,
              ] as const,
          ),
        ]),
        ...onTasks.modules,
      ],
    };
  },

  MMOE(c) {
    const model = z.object({ n_expert: z.int(), expert: mlpParams, towers: z.array(mlpParams) }).parse(c.model);
    const onTasks = taskTowers(c, model.towers);
    return {
      ...onTasks,
      spec: {
        ...{ name: 'mmoe', experts: { count: model.n_expert, ...blocks(model.expert) } },
        gate: NORMED_GATE,
        ...onTasks.spec,
      },
      modules: [
        [/^experts\.(\d+)\.mlp/, 'experts.$1'],
        ...onTasks.tasks.flatMap(({ name }, t) => [
          [new RegExp(`^gates\\.${t}\\.mlp\\.0`), `gates.${name}`] as const,
          [new RegExp(`^gates\\.${t}\\.mlp\\.1`), `gates.${name}.norm`] as const,
        ]),
        ...onTasks.modules,
      ],
    };
  },
};

/** The translation of a case, or undefined for a model that we do not have. */
export function translate(c: RechubCase): Translation | undefined {
  const translation = TRANSLATIONS[c.model.name]?.(c);
  return models.parts.some(({ name }) => name === translation?.spec.name) ? translation : undefined;
}

/** The case's tensors and JSON. */
export async function readCase(path: string): Promise<{ json: unknown; tensors: Map<string, StoredTensor> }> {
  return {
    json: JSON.parse(readFileSync(`${path}.json`, 'utf8')),
    tensors: await readSafetensors(`${path}.safetensors`),
  };
}

/** The plan that our engines compile for the case. */
export function planOf(c: RechubCase, { spec, tasks, fields }: Translation, sizes: ReadonlyMap<string, number>): Plan {
  const adam = {
    name: 'adam',
    learningRate: c.optimizer.lr,
    betas: c.optimizer.betas,
    epsilon: c.optimizer.eps,
    weightDecay: c.optimizer.weight_decay,
  };
  const layout = layoutOf(fields, sizes, c.embed_dim);
  return {
    graph: buildModel(models.schema.parse(spec), layout, tasks),
    layout,
    optimizers: {
      dense: denseOptimizers.schema.parse(adam),
      embeddings: embeddingOptimizerSchema.parse({ ...adam, lazy: !c.optimizer.dense_embedding_update }),
    },
    seed: 1,
  };
}

function layoutOf(fields: readonly string[], sizes: ReadonlyMap<string, number>, width: number): InputLayout {
  let offset = 0;
  const columns = fields.map((field) => {
    const at = offset;
    offset += sizes.has(field) ? width : 1;
    return sizes.has(field)
      ? { field, offset: at, width, kind: 'id' as const, table: field }
      : { field, offset: at, width: 1, kind: 'number' as const };
  });
  return { width: offset, columns, tables: [...sizes].map(([name, rows]) => ({ name, rows, width })) };
}

/** Batch `prefix` of the case (`step0`). */
export function batchOf(tensors: ReadonlyMap<string, StoredTensor>, prefix: string, c: RechubCase): Batch {
  const labels = tensors.get(`${prefix}.y`)!;
  const [rows, numLabels] = labels.shape as [number, number];
  return toBatch({
    rows,
    ids: new Map(c.sparse.map(([field]) => [field, Uint32Array.from(tensors.get(`${prefix}.x.${field}`)!.data)])),
    numbers: new Map(c.dense.map((field) => [field, Float32Array.from(tensors.get(`${prefix}.x.${field}`)!.data)])),
    labels: new Map(
      c.labels.map((label, t) => [
        label,
        Float32Array.from({ length: rows }, (_, b) => labels.data[b * numLabels + t]!),
      ]),
    ),
  });
}

/** A tensor of torch in our layout, in double precision. */
export interface ExactTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The tensors of `prefix` (`init`, `final`, `step0.grad`) under our names and in our layout. */
export function translateTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
  modules: Translation['modules'],
): Map<string, HostTensor> {
  const exact = translateExactTensors(tensors, prefix, modules);
  return new Map([...exact].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]));
}

/** As `translateTensors`, without rounding float64 tensors to float32. */
export function translateExactTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
  modules: Translation['modules'],
): Map<string, ExactTensor> {
  const translated = new Map<string, ExactTensor>();
  for (const [name, tensor] of tensors) {
    if (!name.startsWith(`${prefix}.`)) continue;
    const torchName = name.slice(prefix.length + 1);
    const data = Float64Array.from(tensor.data);
    const table = /^embedding\.embed_dict\.(.+)\.weight$/.exec(torchName);
    if (table !== null) translated.set(tableTensor(table[1]!), { shape: tensor.shape, data });
    else
      translated.set(
        ourName(torchName, modules, tensors, prefix),
        tensor.shape.length === 2 ? transposed(tensor.shape, data) : { shape: tensor.shape, data },
      );
  }
  return translated;
}

const NORM_NAMES: Readonly<Record<string, string>> = {
  weight: 'gain',
  bias: 'shift',
  running_mean: 'runningMean',
  running_var: 'runningVariance',
};

/** torch numbers the modules of a stack: linear, batch norm, activation and dropout of each layer, then the output. */
function ourName(
  torchName: string,
  modules: Translation['modules'],
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
): string {
  for (const [from, to] of modules) {
    if (!from.test(torchName)) continue;
    const start = torchName.replace(from, to);
    const leaf = start.slice(start.lastIndexOf('.') + 1);
    const stack = /^(.*)\.(\d+)\.[a-z_]+$/.exec(start);
    if (stack === null || !new RegExp(`${from.source}\\.\\d+\\.`).test(torchName)) {
      return start.includes('.norm.') ? start.replace(/[a-z_]+$/, NORM_NAMES[leaf]!) : start;
    }
    const module = Number(stack[2]);
    const layer = Math.floor(module / 4);
    if (module % 4 === 1) return `${stack[1]}.${layer}.norm.${NORM_NAMES[leaf]}`;
    if (module % 4 === 2) return `${stack[1]}.${layer}.activation.slope`;
    const torchModule = torchName.slice(0, torchName.lastIndexOf('.')).replace(/\.\d+$/, '');
    const isOutput = !tensors.has(`${prefix}.${torchModule}.${module + 1}.weight`);
    return `${stack[1]}.${isOutput ? 'out' : layer}.${leaf}`;
  }
  throw new Error(`no name of ours for ${torchName}`);
}

function transposed([rows, columns]: readonly number[], data: Float64Array): ExactTensor {
  const out = new Float64Array(data.length);
  for (let r = 0; r < rows!; r++) for (let c = 0; c < columns!; c++) out[c * rows! + r] = data[r * columns! + c]!;
  return { shape: [columns!, rows!], data: out };
}
