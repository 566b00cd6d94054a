import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createCollector, type Report } from './evaluation/evaluation.js';
import { spacesOf } from './evaluation/spaces.js';
import { onDisk, replace, writeFileAtomic } from './disk.js';
import { HEADER } from './synth/ali-ccp.js';
import { csvRow } from './synth/csv-row.js';
import { drawImpressions, fitIntercepts, type Impression, type Rates } from './synth/impressions.js';
import { createWorld, type WorldSize } from './synth/world.js';
import type { Task } from './tasks.js';

/** What to generate. */
export interface SynthOptions extends WorldSize {
  /** A folder; files of the same names are overwritten. */
  readonly folder: string;
  readonly seed: number;
  /** Rows by split. */
  readonly rows: Readonly<Record<string, number>>;
  readonly rates: Rates;
}

/** The metrics of the true probabilities, by split: what no model can beat but by luck. */
export type Oracle = Readonly<Record<string, Report>>;

const TASKS: readonly Task[] = [
  { name: 'ctr', label: 'click', type: 'classification', weight: 1 },
  { name: 'cvr', label: 'purchase', given: 'click', type: 'classification', weight: 1 },
];

/** Rows that are written at a time. */
const CHUNK_ROWS = 1000;

/**
 * Generates CSVs of the shape of torch-rechub's Ali-CCP files with a planted truth, and `oracle.json`.
 * @throws UserError (disk)
 */
export async function synth({ folder, seed, rows, rates, ...size }: SynthOptions): Promise<Oracle> {
  const world = createWorld(seed, size);
  const intercepts = fitIntercepts(world, seed, rates);
  const oracle: Record<string, Report> = {};
  await onDisk(folder, () => mkdir(folder, { recursive: true }));
  for (const [split, count] of Object.entries(rows)) {
    const collector = createCollector(spacesOf(TASKS));
    const chunks = csvChunks(drawImpressions(world, seed, split, intercepts, count), (chunk) => {
      collector.add(labelsOf(chunk), probabilitiesOf(chunk));
    });
    const path = join(folder, `${split}.csv`);
    await replace(path, (temporary) => pipeline(Readable.from(chunks), createWriteStream(temporary, { flush: true })));
    oracle[split] = collector.report();
  }
  await writeFileAtomic(join(folder, 'oracle.json'), `${JSON.stringify({ seed, ...size, rates, ...oracle }, null, 2)}\n`);
  return oracle;
}

function* csvChunks(impressions: Iterable<Impression>, onChunk: (chunk: readonly Impression[]) => void): Generator<string> {
  yield `${HEADER.join(',')}\n`;
  let chunk: Impression[] = [];
  for (const impression of impressions) {
    if (chunk.push(impression) < CHUNK_ROWS) continue;
    onChunk(chunk);
    yield chunk.map(csvRow).join('');
    chunk = [];
  }
  if (chunk.length === 0) return;
  onChunk(chunk);
  yield chunk.map(csvRow).join('');
}

function labelsOf(chunk: readonly Impression[]) {
  const labels = new Map([
    ['click', Float32Array.from(chunk, ({ click }) => Number(click))],
    ['purchase', Float32Array.from(chunk, ({ purchase }) => Number(purchase))],
  ]);
  return { rows: chunk.length, ids: new Map(), numbers: new Map(), bags: new Map(), labels };
}

function probabilitiesOf(chunk: readonly Impression[]): ReadonlyMap<string, Float32Array> {
  return new Map([
    ['ctr', Float32Array.from(chunk, ({ clickProbability }) => clickProbability)],
    ['cvr', Float32Array.from(chunk, ({ purchaseProbability }) => purchaseProbability)],
  ]);
}
