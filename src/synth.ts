import { join } from 'node:path';
import { createCollector, type Report } from './evaluation/evaluation.js';
import { spacesOf } from './evaluation/spaces.js';
import { makeFolder, onDisk, writeFileAtomic } from './disk.js';
import { createBagSource } from './synth/bags.js';
import { fitIntercepts, type Impressions, type Rates } from './synth/impressions.js';
import { PRESETS, type PresetName, type SynthFormat } from './synth/presets.js';
import type { Strays } from './synth/raw-rows.js';
import { writeCsvSplit, writeRawSplit } from './synth/split-files.js';
import { createWorld, type WorldSize } from './synth/world.js';
import { taskOptions, type Task } from './tasks.js';

/** What to generate. */
export interface SynthOptions extends WorldSize {
  /** A folder; files of the same names are overwritten. */
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
 * Generates data of the shape of Ali-CCP with a planted truth, and `oracle.json`, in memory that does not grow with the rows.
 * @throws UserError (disk)
 */
export async function synth(options: SynthOptions): Promise<Oracle> {
  const { folder, seed, rows, rates, users, items, format = 'csv', preset = 'sample', badEvery = 0, onProgress } = options;
  const { shape, sessionRows, bagMean: rawBagMean } = PRESETS[preset];
  const bagMean = options.bagMean ?? (format === 'raw' ? rawBagMean : undefined);
  const world = createWorld(seed, { users, items }, shape);
  const intercepts = fitIntercepts(world, seed, rates);
  const bags = bagMean === undefined ? undefined : createBagSource(world, seed, bagMean);
  const oracle: Record<string, Report> = {};
  const strays: Record<string, Strays> = {};
  await onDisk(folder, () => makeFolder(folder));

  for (const [split, count] of Object.entries(rows)) {
    const collector = createCollector(spacesOf(TASKS));
    let written = 0;
    const onBlock = (block: Impressions): void => {
      if (written < MEASURED_ROWS) collector.add(labelsOf(block), new Map([['ctr', block.clickProbability], ['cvr', block.purchaseProbability]]));
      written += block.rows;
      onProgress?.(split, written);
    };
    const draw = { folder, split, rows: count, world, seed, intercepts, onBlock };
    if (format === 'raw' && bags !== undefined) strays[split] = await writeRawSplit({ ...draw, bags, profileSizes: shape.profile, sessionRows, badEvery });
    else await writeCsvSplit(draw, bags);
    oracle[split] = collector.report();
  }

  const asked = { ...(preset === 'sample' ? {} : { preset }), ...(bagMean === undefined ? {} : { bagMean }), ...(format === 'raw' ? { format, strays } : {}) };
  await writeFileAtomic(join(folder, 'oracle.json'), `${JSON.stringify({ seed, users, items, rates, ...asked, ...oracle }, null, 2)}\n`);
  return oracle;
}

function labelsOf({ rows, click, purchase }: Impressions) {
  return { rows, ids: new Map(), numbers: new Map(), bags: new Map(), labels: new Map([['click', click], ['purchase', purchase]]) };
}
