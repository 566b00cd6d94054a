import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';
import { storedFitted } from '../../src/features/fitted.js';
import type { StoredTensor } from '../../src/io/safetensors.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';

const [USERS, ITEMS] = [50, 30];
const FIRST_SECOND = 1_700_000_000;

/** A file of a stream. */
export interface StreamFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Generates the files of a stream of clicks, as JSON Lines. Some records are out of order, some too old, and some lines
 * are not JSON.
 */
export function eventFiles(numFiles: number, recordsPerFile: number): readonly StreamFile[] {
  const random = randomStream(7, 'events');
  return Array.from({ length: numFiles }, (_, f) => {
    const lines = Array.from({ length: recordsPerFile }, (_, r) => {
      if (random.uniform() < 0.003) return '{"user":';
      const [user, item] = [random.below(USERS), random.below(ITEMS)];
      const click = Number(random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.2));
      const late = random.uniform();
      const time = FIRST_SECOND + f * recordsPerFile + r - (late < 0.003 ? 7200 : late < 0.05 ? 5 : 0);
      const buy = Number(click === 1 && random.uniform() < 0.3);
      const page = random.below(5000);
      return JSON.stringify({ user: `u${user}`, item: `i${item}`, page, price: (item % 7) + 0.5, click, buy, time });
    });
    return { name: `part-${f}.jsonl`, text: lines.map((line) => `${line}\n`).join('') };
  });
}

/** Writes a config that trains on the stream in the directory `log`; returns its path. */
export function writeStreamConfig(folder: string): string {
  mkdirSync(join(folder, 'log'), { recursive: true });
  const config = join(folder, 'stream.yaml');
  writeFileSync(
    config,
    `seed: 3
data:
  train: log
  follow: { fitRows: 500, windowRows: 900, maxRejects: 0.05, time: time, timeFormat: seconds, maxLate: 1h }
features:
  ids: { type: categorical, fields: [user, item], width: 4, encoding: tokens }
  page: { type: categorical, fields: [page], width: 4, encoding: { name: hash, buckets: 2000 } }
  price: { type: numeric, fields: [price], scaling: standard }
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: ctr }
model: { name: esmm, ctrTower: { hidden: [8], dropout: 0.2 }, cvrTower: { hidden: [8] } }
training: { batchSize: 64 }
checkpoints: { everySteps: 3 }
`,
  );
  return config;
}

/** Appends the files piece by piece, so that lines are cut anywhere. */
export class StreamWriter {
  readonly #folder: string;
  readonly #files: readonly StreamFile[];
  #file = 0;
  #offset = 0;

  constructor(folder: string, files: readonly StreamFile[]) {
    this.#folder = folder;
    this.#files = files;
  }

  /** Appends at most `bytes` to the current file. */
  append(bytes: number): void {
    const file = this.#files[this.#file];
    if (file === undefined) return;
    appendFileSync(join(this.#folder, file.name), file.text.slice(this.#offset, this.#offset + bytes));
    this.#offset += bytes;
    if (this.#offset >= file.text.length) [this.#file, this.#offset] = [this.#file + 1, 0];
  }

  /** Appends all that is left. */
  finish(): void {
    while (this.#file < this.#files.length) this.append(Infinity);
  }
}

/**
 * Everything that two trainings on one stream must have in common, bit for bit, without times. A delta is read with the
 * checkpoints before it: which of them is full depends on where a process began.
 */
export async function streamTrace(run: string): Promise<Record<string, unknown>> {
  const last = join(run, 'checkpoints', 'last');
  const read = (path: string): string => readFileSync(path, 'latin1');
  const withoutTimes = (text: string): string =>
    text.replace(/"elapsedMs":[\d.e+-]+,?/g, '').replace(/"lag":\{[^}]*\},?/g, '');
  const { program, fitted, states } = await readCheckpoint(last, { withOptimizer: true });
  const { json, tensors } = storedFitted(fitted);
  return {
    weights: bitsOf(program.weights),
    optimizer: bitsOf(program.optimizer),
    // The capacity of tables in memory depends on the number of deltas that were read.
    fitted: [json, bitsOf(tensors)],
    window: bitsOf(states.window),
    counters: bitsOf(states.counters),
    histories: bitsOf(states.histories),
    state: JSON.parse(withoutTimes(read(join(last, 'state.json'))).replace(/"metricsBytes":\d+/, '"-":0')) as unknown,
    metrics: withoutTimes(read(join(run, 'metrics.jsonl'))),
    rejects: existsSync(join(run, 'rejects.csv')) ? read(join(run, 'rejects.csv')) : undefined,
  };
}

function bitsOf(tensors: ReadonlyMap<string, StoredTensor> = new Map()): readonly unknown[] {
  return [...tensors].map(([name, { shape, data }]) => {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return [name, shape, bytes.toString('base64')];
  });
}
