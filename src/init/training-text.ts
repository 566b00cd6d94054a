import { dcn } from '../bottoms/dcn.js';
import { fm } from '../bottoms/fm.js';
import { platt } from '../evaluation/calibration/platt.js';
import { models } from '../models/models.js';
import { cosine } from '../schedules/cosine.js';
import type { ProposedTask } from './choose-tasks.js';
import type { InspectedColumn } from './column-kind.js';
import { MTL } from '../system/command-name.js';

/** Batch sizes and epochs by the maximum number of rows: a first run takes minutes, and few rows take enough steps. */
const SIZES = [
  { maxRows: 5_000, batchSize: 64, epochs: 20 },
  { maxRows: 20_000, batchSize: 128, epochs: 8 },
  { maxRows: 100_000, batchSize: 256, epochs: 8 },
  { maxRows: Infinity, batchSize: 1024, epochs: 5 },
];
/** Rank of the weights between features, so that their number grows with the features, not with their square. */
const RANK = 32;
const LAYERS = 'hidden: [128, 64], dropout: 0.1';
const TOWER = '{ hidden: [32], dropout: 0.1 }';
/** Distinct values from which two id columns are the ids of a recommender. */
const MANY_IDS = 100;
/** Distinct values of an id column from which weights are averaged. */
const AVERAGED_IDS = 1000;

/** Chooses the layers that multiply features: pairs of embeddings for a recommender's ids, else products of numbers. */
export function chooseInteractions(features: readonly InspectedColumn[]): typeof dcn | typeof fm {
  const ids = features.filter(
    ({ kind, different }) => (kind.is === 'id' || kind.is === 'list') && different > MANY_IDS,
  );
  return ids.length >= 2 ? fm : dcn;
}

/** Formats the section `model`. */
export function formatModel(name: string, features: readonly InspectedColumn[]): readonly string[] {
  const part = models.parts.find((each) => each.name === name)!;
  const keys = Object.keys(part.options());
  const interactions = chooseInteractions(features);
  const own = interactions === dcn ? [`rank: ${RANK}`] : [];
  const layers = `deep: { ${LAYERS} }`;
  const towers = ['tower', 'ctrTower', 'cvrTower'].filter((key) => keys.includes(key));
  return [
    `model:                              # see its options with ${MTL} config show CONFIG`,
    `  name: ${name}`,
    ...(keys.includes('bottom')
      ? [
          `  bottom:                           # layers that all tasks share, and products of features`,
          `    name: ${interactions.name}`,
          ...[...own, layers].map((option) => `    ${option}`),
        ]
      : []),
    ...(name === interactions.name ? [...own, layers].map((option) => `  ${option}`) : []),
    ...(keys.includes('hidden') ? ['  hidden: [128, 64]', '  dropout: 0.1'] : []),
    ...towers.map((key) => `  ${key}: ${TOWER}`),
    '  wide: true                        # one weight per id and number: effects of single columns',
  ];
}

/** Facts that decide the section `training`. */
export interface TrainingFacts {
  readonly tasks: readonly ProposedTask[];
  readonly features: readonly InspectedColumn[];
  readonly rows: number;
  /** Whether there are more rows. */
  readonly isCut: boolean;
}

/** Formats the section `training`. */
export function formatTraining({ tasks, features, rows, isCut }: TrainingFacts): readonly string[] {
  const { batchSize, epochs } = SIZES.find(({ maxRows }) => (isCut ? Infinity : rows) <= maxRows)!;
  const ids = features.find(({ kind, different }) => kind.is === 'id' && different >= AVERAGED_IDS);
  return [
    'training:',
    `  epochs: ${String(epochs).padEnd(25)} # maximum; training stops earlier if validation no longer improves`,
    `  batchSize: ${String(batchSize).padEnd(22)} # larger is faster, with fewer steps per epoch`,
    '  optimizer:',
    '    dense: { learningRate: 0.002, weightDecay: 0.00001 }',
    '    embeddings: { learningRate: 0.002 }',
    `  schedule: { name: ${cosine.name}, warmup: 5% }    # learning rate: rises for 5% of the steps, then falls to 0`,
    ...(ids === undefined
      ? []
      : [`  ema: { decay: 0.999 }             # EMA of the weights: an id of ${ids.column.name} has few rows`]),
    `  monitor: ${formatMonitor(tasks).padEnd(24)} # validation metric that selects the best epoch`,
    '  earlyStopping: { patience: 3 }    # epochs without improvement before training stops',
  ];
}

/** Formats the section `calibration`. */
export function formatCalibration(): string {
  return (
    `calibration: { method: ${platt.name} }      # fitted on the validation set: later or new rows are predicted too ` +
    'confidently'
  );
}

/** Returns the metric of the last task over all rows, or the mean of several tasks without a funnel. */
function formatMonitor(tasks: readonly ProposedTask[]): string {
  const ends = tasks.filter(({ name }) => !tasks.some(({ given }) => given === name));
  const metrics = ends.map(({ name, given }) => `${given === undefined ? '' : 'ct'}${name}.auc`);
  if (metrics.length === 1) return metrics[0]!;
  const share = Number((1 / metrics.length).toFixed(3));
  return metrics.map((metric) => `${share}*${metric}`).join(' + ');
}
