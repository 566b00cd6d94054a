import { z } from 'zod';
import { toWords, type Words } from '../../chunks/row-block.js';
import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { mix } from '../../core/random.js';
import { taskColumns } from '../../core/tasks.js';
import type { EncodedFormat } from '../rows/row-format.js';
import type { Dataset } from './dataset.js';

/** Maximum number of distinct rows of a sketch; with more, about half of them are dropped. */
const MAX_ROWS = 8192;
/** Fewer rows do not show whether others are among them. */
const MIN_ROWS = 20;
/** Difference from the expected share that is reported, besides `NUM_ERRORS` standard errors. */
const MIN_DIFFERENCE = 0.1;
const NUM_ERRORS = 3;
/** Rows per batch that is read. */
const READ_ROWS = 4096;

/** Number of fields with ids that decide whether a row is sampled, and the minimum number of their combinations. */
const [SELECTING, MIN_COMBINATIONS] = [3, 1 << 20];

/** Sample of a set of rows, by their content. JSON. */
export const sketchSchema = z.strictObject({
  /** Share of rows that are sampled: those with a hash of the selecting columns below it, as a fraction of 1. */
  share: z.number().gt(0).max(1),
  /** Number of sampled rows. */
  rows: z.int().min(0),
  /** Number of sampled rows that no other row equals. */
  distinct: z.int().min(0),
  /** Hashes of whole rows in increasing order: 32 bits each, little-endian, base64. */
  hashes: z.base64(),
});
export type Sketch = z.output<typeof sketchSchema>;

/** Columns of the batches of a format by which rows are compared. */
export interface ComparedColumns {
  readonly fields: readonly string[];
  readonly labels: readonly string[];
  /** Fields that map all strings without an id to 0: rows with such an id are not compared, since many look equal. */
  readonly tokens: readonly string[];
  /** Fields that decide whether a row is sampled, so that other rows are not hashed as a whole. */
  readonly selecting: readonly string[];
}

/**
 * Lists the columns by which rows are compared: all that depend on the row only.
 * @param counters columns that also depend on the rows before it
 */
export function comparedColumns({ fields, spec }: EncodedFormat, counters: readonly string[]): ComparedColumns {
  const own = fields.filter(
    ({ logged, columns }) => logged === undefined && !columns.some((name) => counters.includes(name)),
  );
  // Fields with many values tell most rows apart.
  const ids = own
    .filter(({ rows }) => rows > 0)
    .sort((a, b) => b.rows - a.rows)
    .slice(0, SELECTING);
  const areMany = ids.reduce((product, { rows }) => product * rows, 1) >= MIN_COMBINATIONS;
  return {
    fields: own.map(({ name }) => name),
    selecting: (areMany ? ids : own).map(({ name }) => name),
    labels: spec.tasks.map((task) => taskColumns(task, spec.tasks).label),
    tokens: own.filter(({ learnsTexts }) => learnsTexts === true).map(({ name }) => name),
  };
}

/**
 * Collects a sample of rows, which depends on the content of rows alone, not on their number or order. Two sets of rows
 * thus sample equal rows, and their overlap equals the overlap of the samples.
 */
export class RowSketch {
  readonly #hasher: RowHasher;
  #share = 1;
  /** Number of rows, and hash of their selecting columns, by hash. */
  readonly #sampled = new Map<number, { count: number; readonly selection: number }>();

  constructor(columns: ComparedColumns) {
    this.#hasher = new RowHasher(columns);
  }

  add(batch: Batch): void {
    this.#hasher.each(
      batch,
      () => this.#share,
      (hash, selection) => {
        const known = this.#sampled.get(hash);
        if (known === undefined) this.#sampled.set(hash, { count: 1, selection });
        else known.count++;
        while (this.#sampled.size > MAX_ROWS) this.#halve();
      },
    );
  }

  finish(): Sketch {
    const counts = Array.from(this.#sampled.values(), ({ count }) => count);
    const hashes = Uint32Array.from(this.#sampled.keys()).sort();
    return {
      share: this.#share,
      rows: counts.reduce((sum, count) => sum + count, 0),
      distinct: counts.filter((count) => count === 1).length,
      hashes: Buffer.from(hashes.buffer).toString('base64'),
    };
  }

  #halve(): void {
    this.#share /= 2;
    for (const [hash, { selection }] of this.#sampled) if (selection >= this.#share) this.#sampled.delete(hash);
  }
}

/** Compares rows with a sketch of others. */
export class SketchedOverlap {
  readonly #sketch: Sketch;
  readonly #hashes: ReadonlySet<number>;
  readonly #hasher: RowHasher;
  #rows = 0;
  #found = 0;

  constructor(sketch: Sketch, columns: ComparedColumns) {
    const bytes = Uint8Array.from(Buffer.from(sketch.hashes, 'base64'));
    this.#sketch = sketch;
    this.#hashes = new Set(new Uint32Array(bytes.buffer));
    this.#hasher = new RowHasher(columns);
  }

  add(batch: Batch): void {
    this.#hasher.each(
      batch,
      () => this.#sketch.share,
      (hash) => {
        this.#rows++;
        if (this.#hashes.has(hash)) this.#found++;
      },
    );
  }

  /**
   * Returns the share of the added rows that are among the sketched ones, and the share that other rows of the same
   * distribution would have; undefined if the first one is not clearly larger. The latter is the Good-Turing estimate:
   * 1 less the share of sketched rows that occur once.
   */
  find(): { readonly share: number; readonly expected: number } | undefined {
    const { rows, distinct } = this.#sketch;
    if (this.#rows < MIN_ROWS || rows < MIN_ROWS) return undefined;
    const share = this.#found / this.#rows;
    const expected = 1 - distinct / rows;
    const error = Math.sqrt((expected * (1 - expected)) / Math.min(rows, this.#rows));
    return share > expected + MIN_DIFFERENCE + NUM_ERRORS * error ? { share, expected } : undefined;
  }
}

/** Adds the value of a row to a hash. */
type HashedColumn = (row: number, hash: number) => number;

/** Hashes the rows of batches. */
class RowHasher {
  readonly #columns: ComparedColumns;
  /** Hashes of the selecting columns, by row. */
  #selections = new Uint32Array(0);

  constructor(columns: ComparedColumns) {
    this.#columns = columns;
  }

  /**
   * Visits the sampled rows of a batch.
   * @param share returns the present share of sampled rows
   * @param visit receives the hash of the row, and the hash of its selecting columns as a fraction of 1
   */
  each(batch: Batch, share: () => number, visit: (hash: number, selection: number) => void): void {
    const { fields, labels, tokens, selecting } = this.#columns;
    const { rows } = batch;
    if (this.#selections.length < rows) this.#selections = new Uint32Array(rows);
    const selections = this.#selections.fill(1, 0, rows);
    for (const name of selecting) {
      const hashed = fieldHash(batch, name);
      for (let row = 0; row < rows; row++) selections[row] = hashed(row, selections[row]!);
    }
    const ids = tokens.flatMap((name) => {
      const found = batch.columns.get(name);
      return found?.type === 'u32' ? [found.data] : [];
    });
    const columns = [
      ...fields.map((name) => fieldHash(batch, name)),
      ...labels.map((name) => wordsHash(column(batch, name, 'f32').data, 1)),
    ];
    for (let row = 0; row < rows; row++) {
      const selection = mix(selections[row]!) / 2 ** 32;
      if (selection >= share() || ids.some((each) => each[row] === 0)) continue;
      let hash = 2;
      for (const hashed of columns) hash = hashed(row, hash);
      visit(mix(hash), selection);
    }
  }
}

function fieldHash({ columns }: Batch, name: string): HashedColumn {
  const field = columns.get(name)!;
  return field.type === 'list' ? bagHash(field) : wordsHash(field.data, field.width);
}

function wordsHash(data: Words, width: number): HashedColumn {
  const words = toWords(data);
  return (row, hash) => {
    let result = hash;
    for (let i = row * width; i < (row + 1) * width; i++) result = add(result, words[i]!);
    return result;
  };
}

function bagHash({ offsets, ids, weights }: BagColumn): HashedColumn {
  const values = toWords(weights);
  return (row, hash) => {
    let result = add(hash, offsets[row + 1]! - offsets[row]!);
    for (let i = offsets[row]!; i < offsets[row + 1]!; i++) result = add(add(result, ids[i]!), values[i]!);
    return result;
  };
}

function add(hash: number, word: number): number {
  return mix(hash ^ Math.imul(word, 0x9e3779b1));
}

/** Samples the rows of a data set. */
export async function sketchRows(
  dataset: Pick<Dataset, 'batches'>,
  columns: ComparedColumns,
  signal?: AbortSignal,
): Promise<Sketch> {
  const sketch = new RowSketch(columns);
  for await (const { batch } of dataset.batches(READ_ROWS)) {
    sketch.add(batch);
    signal?.throwIfAborted();
  }
  return sketch.finish();
}
