import { idColumn, numberColumn, type BagColumn, type Batch, type BatchColumn } from '../src/core/batch.js';
import type { Plan, Program } from '../src/engines/engine.js';
import type { Precision } from '../src/engines/precision.js';
import { buildModel, embeddingParts, models, type ModelSpec } from '../src/models/models.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../src/optimizers/optimizers.js';
import { randomStream, type Random } from '../src/core/random.js';
import { withEmbeddingParts } from '../src/tables/layout.js';
import { taskOptions, type Task } from '../src/core/tasks.js';
import { firstLoopState } from '../src/training/loop-state.js';
import { trainingOptions, type TrainingOptions } from '../src/training/options.js';
import { combinesTerms, createTrainStep } from '../src/training/train-step.js';
import { HistoryIds, historyGraph, historyStream, sequencesOf, type History } from './history.js';
import { benchOptions } from './results.js';

/** Vocabulary sizes of the full Ali-CCP by field. */
export const VOCABULARY: Readonly<Record<string, number>> = {
  '101': 238635,
  '121': 98,
  '122': 14,
  '124': 3,
  '125': 8,
  '126': 4,
  '127': 4,
  '128': 3,
  '129': 5,
  '205': 467298,
  '206': 6929,
  '207': 263942,
  '210': 80000,
  '216': 106399,
  '508': 5888,
  '509': 104830,
  '702': 51878,
  '853': 37148,
  '301': 4,
  '109_14': 6000,
  '110_14': 100000,
  '127_14': 54000,
  '150_14': 32000,
};
const FIELDS = Object.keys(VOCABULARY);
const LARGEST = '205';
/** Item, category, shop and brand. */
const ITEM = ['205', '206', '207', '216'];
const NUMBERS = Array.from({ length: 8 }, (_, i) => `D${i}`);

/** A model and its batch size. */
export interface Workload {
  readonly name: string;
  readonly batchRows: number;
  readonly width: number;
  readonly numbers: readonly string[];
  /** Bag fields with their mean number of items; all others hold one id. */
  readonly bags?: Readonly<Record<string, number>>;
  /** History of the candidate's fields. Without an encoder, the model is DIN, and `model` is not used. */
  readonly history?: History;
  /** Whether all fields are looked up in one table, as large as that of the largest. */
  readonly hasOneTable?: true;
  readonly model: object;
  /** Optimizer of the tables, if not the default. */
  readonly embeddings?: object;
  /** Loss weighting, if not the default. */
  readonly weighting?: string;
  /** Precision of matrix products, if not f32. */
  readonly precision?: Precision;
}

/** Layers with batch norm, as torch-rechub has them. */
const normed = (hidden: number[]) => ({ hidden, batchNorm: true });
const esmm = (hidden: number[]): object => ({ name: 'esmm', ctrTower: normed(hidden), cvrTower: normed(hidden) });
const ESMM = { width: 16, numbers: [], model: esmm([16, 8]) };
const ESMM_PAPER = { width: 18, numbers: [], model: esmm([360, 200, 80]) };
const MMOE_WIDE = {
  width: 16,
  numbers: [],
  model: {
    name: 'mmoe',
    experts: { count: 3, ...normed([128, 64]) },
    tower: normed([128, 64]),
    gate: { batchNorm: true },
  },
};

/** BST (Chen et al. 2019), as in configs/sequences/bst.yaml. */
const BST = { name: 'self-attention', blocks: 1, heads: 2, causal: true };

/** Sizes of torch-rechub's examples, of the ESMM paper, and of TorchEasyRec's Ali-CCP config. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'esmm', batchRows: 20, ...ESMM },
  { name: 'esmm', batchRows: 1024, ...ESMM },
  { name: 'esmm', batchRows: 4096, ...ESMM },
  { name: 'esmm', batchRows: 16_384, ...ESMM },
  {
    name: 'mmoe',
    batchRows: 1024,
    width: 4,
    numbers: NUMBERS,
    model: { name: 'mmoe', experts: { count: 8, ...normed([16]) }, tower: normed([8]), gate: { batchNorm: true } },
  },
  { name: 'mmoe-wide', batchRows: 1024, ...MMOE_WIDE },
  { name: 'mmoe-wide', batchRows: 8192, ...MMOE_WIDE },
  {
    name: 'esmm-bags',
    batchRows: 1024,
    ...ESMM,
    bags: { '210': 4, '853': 10, '109_14': 20, '110_14': 60, '127_14': 30, '150_14': 30 },
  },
  { name: 'esmm-one-table', batchRows: 8192, ...ESMM, hasOneTable: true },
  { name: 'esmm-row-wise', batchRows: 1024, ...ESMM, embeddings: { name: 'row-wise-adagrad' } },
  // One backward pass per loss term, and the inner products of their gradients.
  { name: 'esmm-pcgrad', batchRows: 1024, ...ESMM, weighting: 'pcgrad' },
  { name: 'esmm-paper', batchRows: 1024, ...ESMM_PAPER },
  { name: 'esmm-paper', batchRows: 8192, ...ESMM_PAPER },
  { name: 'din-50', batchRows: 1024, ...ESMM, history: { fields: ITEM, length: 'power law' } },
  { name: 'din-200', batchRows: 1024, ...ESMM, history: { fields: ITEM, length: 200 } },
  {
    name: 'bst-50',
    batchRows: 1024,
    width: 16,
    numbers: [],
    model: { name: 'esmm', ctrTower: { hidden: [16, 8] }, cvrTower: { hidden: [16, 8] } },
    history: { fields: ITEM, length: 'power law', encoder: BST },
  },
  { name: 'sim-2000', batchRows: 1024, ...ESMM, history: { fields: ITEM, length: 2000, top: 50 } },
];

/** Returns the name of a workload: model and batch size. */
export function workloadName({ name, batchRows }: Workload): string {
  return `${name}-${batchRows}`;
}

/** Returns the workloads that `npm run bench -- --only` selects; all by default. */
export function chosenWorkloads(): readonly Workload[] {
  const { only } = benchOptions();
  const names = WORKLOADS.map(workloadName);
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`no workload '${unknown.join("', '")}'; there are ${names.join(', ')}`);
  return WORKLOADS.filter((work) => only.length === 0 || only.includes(workloadName(work)));
}

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });

/** Click and purchase over all rows; if the model rejects that, the purchase is given the click. */
function tasksOf(spec: ModelSpec): readonly Task[] {
  const tasksWith = (options: object): readonly Task[] => [
    task('ctr', { label: 'click' }),
    task('cvr', { label: 'purchase', ...options }),
  ];
  // `checkTasks` accepts the spec of its own model only.
  const check = models.partOf(spec).checkTasks as
    ((tasks: readonly Task[], options: ModelSpec) => Iterable<unknown>) | undefined;
  return [...(check?.(tasksWith({}), spec) ?? [])].length === 0 ? tasksWith({}) : tasksWith({ given: 'click' });
}

/** Builds the model of a workload for the columns of a layout. */
export function graphOf(model: Workload['model'], layout: Plan['layout']): Plan['graph'] {
  const spec = models.schema.parse(model);
  return buildModel(spec, layout, tasksOf(spec));
}

/** Builds the plan of a workload; `scale` multiplies the vocabulary. */
export function planOf(
  {
    batchRows,
    width,
    numbers,
    bags = {},
    history,
    hasOneTable,
    model,
    embeddings = {},
    weighting,
    precision = 'f32',
  }: Workload,
  scale = 1,
): Plan {
  const spec = models.schema.parse(model);
  const tasks = tasksOf(spec);
  const tableOf = (field: string): string => (hasOneTable === true ? LARGEST : field);
  const tables = [...new Set(FIELDS.map(tableOf))].map((name) => ({
    name,
    rows: sizeOf(name, scale),
    width,
  }));
  const ids = FIELDS.map((field, f) => {
    const place = { field, offset: f * width, width, table: tableOf(field) };
    return field in bags
      ? { ...place, kind: 'bag' as const, pooling: 'mean' as const }
      : { ...place, kind: 'id' as const };
  });
  const inputs = numbers.map((field, i) => ({
    field,
    offset: FIELDS.length * width + i,
    width: 1,
    kind: 'number' as const,
  }));
  const layout = withEmbeddingParts(
    { width: FIELDS.length * width + numbers.length, tables, columns: [...ids, ...inputs] },
    embeddingParts(spec, tasks).length,
  );
  const withHistory = { ...layout, ...(history && { sequences: sequencesOf(history, width) }) };
  return {
    graph:
      history === undefined || history.encoder !== undefined
        ? graphOf(model, withHistory)
        : historyGraph(history, withHistory),
    layout: withHistory,
    optimizers: { dense: denseOptimizers.schema.parse({}), embeddings: embeddingOptimizerSchema.parse(embeddings) },
    seed: 1,
    batchRows,
    step: {
      precision,
      ...(weighting !== undefined && combinesTerms(trainingOf(weighting).lossWeighting) && { combinesTerms: true }),
    },
  };
}

/** Returns training options with a loss weighting, or with the default. */
export function trainingOf(weighting: string | undefined): TrainingOptions {
  return trainingOptions.parse(weighting === undefined ? {} : { lossWeighting: { name: weighting } });
}

/** Returns a function that runs training steps of a workload, numbered from 0. */
export function stepperOf(
  { weighting }: Workload,
  program: Program,
  { graph: { terms }, seed }: Plan,
): (batch: Batch, step: number) => Promise<unknown> {
  if (weighting === undefined) return (batch) => program.trainStep(batch);
  const stepper = createTrainStep({
    program,
    terms,
    training: trainingOf(weighting),
    seed,
    trainingLength: { steps: 1, stepsPerEpoch: 1 },
    stateOf: (_, first) => first(),
  });
  return (batch, step) => stepper.take(batch, { ...firstLoopState(), step });
}

/**
 * Generates rows with the distributions of the peers' script: ids uniform below 200 and log-uniform above; 4% clicks,
 * 5% of which convert; bags of 0 to twice the mean. Popular ids of a history may have any row of a table.
 */
export function batchesOf({ batchRows, numbers, bags = {}, history }: Workload, count: number, scale = 1): Batch[] {
  const random = randomStream(0, 'bench');
  const drawn = history && historyIdsOf(history, scale);
  return Array.from({ length: count }, () => {
    const column = (value: () => number): Float32Array => Float32Array.from({ length: batchRows }, value);
    const idsOf = (field: string, length: number): Uint32Array =>
      Uint32Array.from({ length }, () => drawId(random, sizeOf(field, scale)));
    const bag = (field: string): BagColumn => {
      const offsets = new Uint32Array(batchRows + 1);
      for (let b = 0; b < batchRows; b++) offsets[b + 1] = offsets[b]! + random.below(2 * bags[field]! + 1);
      const items = offsets[batchRows]!;
      return {
        type: 'list',
        offsets,
        ids: idsOf(field, items),
        weights: Float32Array.from({ length: items }, () => random.uniform()),
      };
    };
    const { ids: candidates = [], bags: histories = [] } = drawn?.next(batchRows) ?? {};
    const click = column(() => Number(random.uniform() < 0.04));
    const ids: [string, Uint32Array][] = [
      ...FIELDS.filter((field) => !(field in bags)).map((field): [string, Uint32Array] => [
        field,
        idsOf(field, batchRows),
      ]),
      ...candidates,
    ];
    return {
      rows: batchRows,
      columns: new Map<string, BatchColumn>([
        ...ids.map(([field, own]) => [field, idColumn(own)] as const),
        ...Object.keys(bags).map((field) => [field, bag(field)] as const),
        ...histories,
        ...numbers.map((field) => [field, numberColumn(column(() => random.uniform()))] as const),
        ['click', numberColumn(click)],
        ['purchase', numberColumn(click.map((y) => y * Number(random.uniform() < 0.05)))],
      ]),
    };
  });
}

const sizeOf = (field: string, scale: number): number => Math.max(1, Math.round(VOCABULARY[field]! * scale));

/** Draws an id: uniform below 200 of them, log-uniform above. */
function drawId(random: Random, size: number): number {
  return size < 200
    ? random.below(size)
    : Math.min(size - 1, Math.floor(Math.exp(random.uniform() * Math.log(size + 1)) - 1));
}

/** A prime beyond all vocabularies: multiples of it, modulo a size, are a permutation. */
const SPREAD = 15_485_863;

function historyIdsOf(history: History, scale: number): HistoryIds {
  const random = historyStream();
  const draw = (field: string): number => {
    const size = sizeOf(field, scale);
    return (drawId(random, size) * SPREAD) % size;
  };
  return new HistoryIds(history, sizeOf(history.fields[0]!, scale), random, draw);
}
