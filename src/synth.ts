import { createCollector, type Report } from './evaluation/evaluation.js';
import { listOutputs } from './evaluation/outputs.js';
import { makeFolder, onDisk } from './io/disk.js';
import { createBagSource } from './synth/bags.js';
import { NO_BIASES, type Biases } from './synth/biases.js';
import { show, showOtherwise, type Impressions, type Rates, type Shown } from './synth/impressions.js';
import { PRESETS, type PresetName, type SynthFormat } from './synth/presets.js';
import type { Strays } from './synth/raw-rows.js';
import { beginFiles, endFiles, listPaths, writeCsvSplit, writeRawSplit } from './synth/split-files.js';
import { createWorld, type WorldSize } from './synth/world.js';
import { taskOptions, type Task } from './core/tasks.js';

/** What to generate. */
export interface SynthOptions extends WorldSize {
  /** A folder; what was generated there before is replaced. */
  readonly folder: string;
  readonly seed: number;
  /** Rows by split. */
  readonly rows: Readonly<Record<string, number>>;
  readonly rates: Rates;
  readonly format?: SynthFormat;
  /** What the world is like inside. */
  readonly preset?: PresetName;
  /** Values of a history field on average; a CSV has plain cells without it, raw files take the preset's. */
  readonly bagMean?: number | undefined;
  /** Raw files only: one bad row behind so many rows. */
  readonly badEvery?: number;
  /** How the log misleads; it does not where they are left out. */
  readonly biases?: Biases | undefined;
  /**
   * CSVs only: the split that is also written as what no log shows, `<split>-clicked.csv` and `<split>-shuffled.csv`.
   */
  readonly counterfactualOf?: string | undefined;
  onProgress?(split: string, rows: number): void;
}

/** The metrics of the true probabilities, by split: what no model can beat but by luck. */
export type Oracle = Readonly<Record<string, Report>>;

const TASKS: readonly Task[] = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) },
];
/** Exact metrics need the rows in memory; the truth of longer files is measured on so many of their first rows. */
const MEASURED_ROWS = 10_000_000;

/**
 * Generates data of the shape of Ali-CCP with a planted truth, and `oracle.json`, in memory that does not grow with the
 * rows.
 * @throws UserError (disk); (usage) where a file of somebody else's would be overwritten
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
  const files = filesOf(options, shown);
  await beginFiles(
    folder,
    files.flatMap(({ name }) => listPaths(format, name)),
  );
  for (const file of files) {
    const { name, split, rows: count, areClicked } = file;
    const collector = createCollector(listOutputs(TASKS).filter((space) => !areClicked || space.name === 'cvr'));
    let written = 0;
    const onBlock = (block: Impressions): void => {
      if (areClicked) clickAll(block);
      const cvr = areClicked ? block.purchaseIfClickedProbability : block.purchaseProbability;
      if (written < MEASURED_ROWS)
        collector.add(
          labelsOf(block),
          new Map([
            ['ctr', block.clickProbability],
            ['cvr', cvr],
          ]),
        );
      written += block.rows;
      onProgress?.(name, written);
    };
    const draw = { folder, name, split, rows: count, shown: file.shown, seed, onBlock };
    if (format === 'raw' && bags !== undefined)
      strays[split] = await writeRawSplit({ ...draw, bags, profileSizes: shape.profile, sessionRows, badEvery });
    else await writeCsvSplit(draw, bags);
    oracle[name] = collector.report();
  }

  const asked = {
    ...(preset === 'sample' ? {} : { preset }),
    ...(bagMean === undefined ? {} : { bagMean }),
    ...(format === 'raw' ? { format, strays } : {}),
    ...(biases === NO_BIASES ? {} : { biases }),
  };
  await endFiles(folder, { seed, users, items, rates, ...asked, ...oracle });
  return oracle;
}

/** A file to write: a split, or what no log would show of one. */
interface File {
  readonly name: string;
  /** Names the stream of random numbers. */
  readonly split: string;
  readonly rows: number;
  readonly shown: Shown;
  readonly areClicked: boolean;
}

function filesOf(
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
    // The very rows of the split: the same dice, and nothing left unseen.
    { ...whole, name: clicked, areClicked: true },
    { ...whole, name: shuffled, split: shuffled, shown: showOtherwise(shown, seed, { ...biases, position: 0 }) },
  ];
}

/** Has every row clicked, and bought what would have been bought then. */
function clickAll({ click, purchase, purchaseIfClicked }: Impressions): void {
  click.fill(1);
  purchase.set(purchaseIfClicked);
}

function labelsOf({ rows, click, purchase }: Impressions) {
  return {
    rows,
    ids: new Map(),
    numbers: new Map(),
    bags: new Map(),
    labels: new Map([
      ['click', click],
      ['purchase', purchase],
    ]),
  };
}
