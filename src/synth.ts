import { numberColumn, type Batch } from './core/batch.js';
import { createCollector, type Report } from './evaluation/evaluation.js';
import { listOutputs } from './evaluation/outputs.js';
import { makeFolder, onDisk } from './io/disk.js';
import { createBagSource } from './synth/bags.js';
import { NO_BIASES, type Biases } from './synth/biases.js';
import { DelayLog } from './synth/delays.js';
import { HistoryLog, type OnEvent } from './synth/histories.js';
import { show, relog, type Impressions, type Rates, type Shown } from './synth/impressions.js';
import { PRESETS, type PresetName, type SynthFormat } from './synth/presets.js';
import type { Strays } from './synth/raw-rows.js';
import {
  beginFiles,
  endFiles,
  EVENTS,
  listPaths,
  writeCsvSplit,
  writeDelaySplit,
  writeEvents,
  writeHistorySplit,
  writeRawSplit,
} from './synth/split-files.js';
import { createWorld, type WorldSize } from './synth/world.js';
import { taskOptions, type Task } from './core/tasks.js';

export interface SynthOptions extends WorldSize {
  /** Target directory; earlier generated data is replaced. */
  readonly folder: string;
  readonly seed: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly rates: Rates;
  readonly format?: SynthFormat;
  readonly preset?: PresetName;
  /** Mean number of values of a history field; default: single values in a CSV, the preset's for raw files. */
  readonly bagMean?: number | undefined;
  /** Raw files only: one invalid row after this many rows. */
  readonly badEvery?: number;
  /** Biases of the log; default: none. */
  readonly biases?: Biases | undefined;
  /** CSV only: the split to also write as counterfactuals, `<split>-clicked.csv` and `<split>-shuffled.csv`. */
  readonly counterfactualOf?: string | undefined;
  readonly onProgress?: ((split: string, rows: number) => void) | undefined;
}

/** Metrics of the true probabilities by split: the upper bound for any model. */
export type Oracle = Readonly<Record<string, Report>>;

const TASKS: readonly Task[] = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) },
];
/** Exact metrics need the rows in memory; longer files are measured on their first rows. */
const MEASURED_ROWS = 10_000_000;
/** Rows between two calls of `onProgress`, of a log with delays. */
const PROGRESS_ROWS = 1 << 13;

/**
 * Generates data in the format of Ali-CCP with known true probabilities, and `oracle.json`, in constant memory.
 * @throws UserError (disk); (usage) if it would overwrite files of other origin
 */
export async function synth(options: SynthOptions): Promise<Oracle> {
  const {
    folder,
    seed,
    rates,
    users,
    items,
    format = 'csv',
    preset = 'sample',
    badEvery = 0,
    biases = NO_BIASES,
    onProgress,
  } = options;
  const { shape, sessionRows, bagMean: rawBagMean } = PRESETS[preset];
  const bagMean = options.bagMean ?? (format === 'raw' ? rawBagMean : undefined);
  const world = createWorld(seed, { users, items }, shape);
  const shown = show(world, seed, rates, biases);
  const bags = bagMean === undefined ? undefined : createBagSource(world, seed, bagMean);
  const oracle: Record<string, Report> = {};
  const strays: Record<string, Strays> = {};
  await onDisk(folder, () => makeFolder(folder));
  const files = listFiles(options, shown);
  await beginFiles(
    folder,
    files.flatMap(({ name }) => listPaths(format, name)),
  );
  for (const file of files) {
    const { name, split, rows: count, areClicked } = file;
    const measure = createMeasure(name, areClicked, onProgress);
    const onBlock = (block: Impressions): void => {
      if (areClicked) clickAll(block);
      measure.add(block);
    };
    const draw = { folder, name, split, rows: count, shown: file.shown, seed, onBlock };
    if (format === 'raw' && bags !== undefined)
      strays[split] = await writeRawSplit({ ...draw, bags, profileSizes: shape.profile, sessionRows, badEvery });
    else await writeCsvSplit(draw, bags);
    oracle[name] = measure.report();
  }

  const biasOptions = {
    ...(preset === 'sample' ? {} : { preset }),
    ...(bagMean === undefined ? {} : { bagMean }),
    ...(format === 'raw' ? { format, strays } : {}),
    ...(biases === NO_BIASES ? {} : { biases }),
  };
  await endFiles(folder, { seed, users, items, rates, ...biasOptions, ...oracle });
  return oracle;
}

export type HistoryOptions = Pick<
  SynthOptions,
  'folder' | 'seed' | 'rows' | 'users' | 'items' | 'rates' | 'onProgress'
> & {
  /** Whether the histories are a file of events; default: rows have them as lists. */
  readonly eventLog?: boolean;
  /** Maximum number of items of a history; default: 200. */
  readonly historyItems?: number | undefined;
};

/**
 * Generates a log in which clicks depend on the match of the candidate with the user's recent items, with known true
 * probabilities, and `oracle.json`. Splits follow each other in time.
 * @throws UserError (disk); (usage) if it would overwrite files of other origin
 */
export async function synthHistories(options: HistoryOptions): Promise<Oracle> {
  const { folder, rows, seed, users, items, rates, eventLog = false, historyItems, onProgress } = options;
  await onDisk(folder, () => makeFolder(folder));
  await beginFiles(folder, [
    ...Object.keys(rows).flatMap((name) => listPaths('csv', name)),
    ...(eventLog ? [EVENTS] : []),
  ]);
  const oracle: Record<string, Report> = {};
  const write = async (onEvent?: OnEvent): Promise<void> => {
    const log = new HistoryLog({ seed, users, items, rates, historyItems }, onEvent);
    for (const [name, count] of Object.entries(rows)) {
      const measure = createMeasure(name, false, onProgress);
      await writeHistorySplit({ folder, name, rows: count, onBlock: measure.add }, log, !eventLog);
      oracle[name] = measure.report();
    }
  };
  await (eventLog ? writeEvents(folder, write) : write());
  const form = { sequences: true, ...(eventLog && { eventLog }), ...(historyItems !== undefined && { historyItems }) };
  await endFiles(folder, { seed, users, items, rates, ...form, ...oracle });
  return oracle;
}

export type DelayOptions = Pick<SynthOptions, 'folder' | 'seed' | 'rows' | 'onProgress'> & {
  /** Time from the first row to the last one. */
  readonly days: number;
  /** Mean probability of a conversion. */
  readonly rate: number;
};

const DELAYED_TASKS: readonly Task[] = [{ name: 'cvr', ...taskOptions.parse({ label: 'buy' }) }];

/**
 * Generates a log of clicks whose conversions arrive late, with known true probabilities, and `oracle.json`. Splits
 * follow each other in time, and labels are final.
 * @throws UserError (disk); (usage) if it would overwrite files of other origin
 */
export async function synthDelays(options: DelayOptions): Promise<Oracle> {
  const { folder, rows, seed, days, rate, onProgress } = options;
  await onDisk(folder, () => makeFolder(folder));
  await beginFiles(
    folder,
    Object.keys(rows).flatMap((name) => listPaths('csv', name)),
  );
  const numRows = Object.values(rows).reduce((sum, count) => sum + count, 0);
  const log = new DelayLog({ seed, days, rate, rows: numRows });
  const oracle: Record<string, Report> = {};
  for (const [name, count] of Object.entries(rows)) {
    const collector = createCollector(listOutputs(DELAYED_TASKS));
    const [label, probability] = [new Float32Array(count), new Float32Array(count)];
    let row = 0;
    await writeDelaySplit({ folder, name, rows: count }, log, (click) => {
      label[row] = click.eventTime === undefined ? 0 : 1;
      probability[row++] = click.probability;
      if (row % PROGRESS_ROWS === 0) onProgress?.(name, row);
    });
    collector.add({ rows: count, columns: new Map([['buy', numberColumn(label)]]) }, new Map([['cvr', probability]]));
    oracle[name] = collector.report();
  }
  await endFiles(folder, { seed, delay: true, days, rate, ...oracle });
  return oracle;
}

/** Measures the true probabilities of a file. */
interface Measure {
  readonly add: (block: Impressions) => void;
  readonly report: () => Report;
}

/** @param areClicked whether all rows are clicked, so that only purchases are measured */
function createMeasure(name: string, areClicked: boolean, onProgress: SynthOptions['onProgress']): Measure {
  const collector = createCollector(listOutputs(TASKS).filter((output) => !areClicked || output.name === 'cvr'));
  let written = 0;
  return {
    add(block) {
      const cvr = areClicked ? block.purchaseIfClickedProbability : block.purchaseProbability;
      if (written < MEASURED_ROWS)
        collector.add(
          listLabels(block),
          new Map([
            ['ctr', block.clickProbability],
            ['cvr', cvr],
          ]),
        );
      written += block.rows;
      onProgress?.(name, written);
    },
    report: () => collector.report(),
  };
}

/** A file to write: a split, or its counterfactual. */
interface File {
  readonly name: string;
  /** Purpose of the random stream. */
  readonly split: string;
  readonly rows: number;
  readonly shown: Shown;
  readonly areClicked: boolean;
}

function listFiles(
  { rows, seed, counterfactualOf: split, biases = NO_BIASES }: SynthOptions,
  shown: Shown,
): readonly File[] {
  const splits = Object.entries(rows).map(([name, count]): File => ({
    name,
    split: name,
    rows: count,
    shown,
    areClicked: false,
  }));
  const whole = splits.find(({ name }) => name === split);
  if (whole === undefined) return splits;
  const [clicked, shuffled] = [`${whole.name}-clicked`, `${whole.name}-shuffled`];
  return [
    ...splits,
    // The same rows and random numbers as the split, with all outcomes observed.
    { ...whole, name: clicked, areClicked: true },
    { ...whole, name: shuffled, split: shuffled, shown: relog(shown, seed, { ...biases, position: 0 }) },
  ];
}

/** Sets every row to clicked, with the purchase that would follow. */
function clickAll({ click, purchase, purchaseIfClicked }: Impressions): void {
  click.fill(1);
  purchase.set(purchaseIfClicked);
}

function listLabels({ rows, click, purchase }: Impressions): Batch {
  return {
    rows,
    columns: new Map([
      ['click', numberColumn(click)],
      ['purchase', numberColumn(purchase)],
    ]),
  };
}
