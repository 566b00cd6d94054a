import { join } from 'node:path';
import { ChunkRows } from '../../chunks/chunk.js';
import { createRowBlock, type BlockColumn } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { didYouMean, UserError, userError, type Problem } from '../../core/errors.js';
import { KEY_WORDS, textOfKey } from '../../core/row-key.js';
import { normalizeGiven } from '../../core/tasks.js';
import { cleanFit } from '../../features/clean-field.js';
import type { Fitted } from '../../features/feature-types.js';
import type { FieldFitter } from '../../features/kinds/kind.js';
import { fieldColumn, fieldFitter, listColumns, takesStored } from '../../features/kinds/kinds.js';
import { floatText } from '../../text/float-text.js';
import { shardDataset, type Dataset } from '../batches/dataset.js';
import { noRows } from '../encoding/no-rows.js';
import type { ParquetSchema } from '../readers/cell-file.js';
import { changedBefore } from '../readers/read-cursor.js';
import { hashFiles, type Fingerprint } from '../readers/fingerprint.js';
import { computeCheck } from '../readers/text-place.js';
import { finishFits, startFits } from '../encoding/fit-chunks.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import type { EncodedFormat, RowFormat } from '../rows/row-format.js';
import { badRow, checkIds, checkNumbers } from '../shards/check-shard-rows.js';
import { readIdCounts, type IdCount } from '../shards/counts.js';
import { contentHash, MANIFEST, type ShardColumn } from '../shards/manifest.js';
import type { Shards } from '../shards/reader.js';
import {
  asStored,
  columnSource,
  formatView,
  shardChunk,
  storedColumn,
  type ColumnSource,
  type ShardColumns,
  type ShardView,
} from '../shards/shard-view.js';
import { readVocabularies, vocabularyFile } from '../shards/vocabulary.js';
import { reportShare } from './cell-part.js';
import type { Reading, Source, StreamReading } from './source.js';
import { MTL } from '../../system/command-name.js';

/** Rows per batch of a stream, and of a sample, which has more places if its batches are short. */
const STREAM_ROWS = 1 << 12;
const SAMPLED_ROWS = 1 << 8;

/** Kinds of columns whose values are 32-bit floats, and their type; other values are texts. */
const FLOAT_KINDS: readonly ShardColumn['kind'][] = ['number', 'label'];
const FLOAT: ParquetSchema = [{ name: '', type: 'FLOAT', repetition_type: 'OPTIONAL' }];

/**
 * Opens a directory of shards that were not encoded for this config, by `mtl prepare` or another program. All rows must
 * be valid.
 * @throws UserError (data) with all missing columns
 */
export async function openShardSource(shards: Shards, wanted: readonly string[]): Promise<Source> {
  const { folder, manifest } = shards;
  const columns = new Map(manifest.columns.map((column) => [column.name, column]));
  const missing = wanted.filter((name) => !columns.has(name));
  if (missing.length > 0) throw missingColumns(missing, [...columns.keys()], join(folder, MANIFEST));
  if (manifest.rows === 0) throw noRows([folder]);
  const vocabularies = await readVocabularies(
    folder,
    wanted.map((name) => columns.get(name)!),
  );
  return new ShardSource(shards, { columns, vocabularies });
}

class ShardSource implements Source {
  readonly path: string;
  readonly files = [];
  readonly takesRules = false;
  readonly columns: readonly string[];
  readonly #shards: Shards;
  readonly #stored: ShardColumns;
  /** Number of rows that `stream` yields; undefined for all. */
  readonly #limit: number | undefined;

  constructor(shards: Shards, stored: ShardColumns, limit?: number) {
    this.path = shards.folder;
    this.columns = [...stored.columns.keys()];
    this.#shards = shards;
    this.#stored = stored;
    this.#limit = limit;
  }

  sample(limit: number): Source | undefined {
    return this.#shards.manifest.rows > limit ? new ShardSource(this.#shards, this.#stored, limit) : undefined;
  }

  typesOf(columns: readonly string[]): readonly (ParquetSchema | undefined)[] {
    return columns.map((name) => (FLOAT_KINDS.includes(this.#stored.columns.get(name)!.kind) ? FLOAT : undefined));
  }

  async fingerprint(): Promise<Fingerprint> {
    const { columns, shards } = this.#shards.manifest;
    const texts = columns.flatMap((column) => vocabularyFile(column) ?? []);
    // The hash of a shard is verified when the shard is read.
    const hashes = shards.map((shard) => [shard.file, { bytes: shard.bytes, hash: contentHash(shard) }] as const);
    return { ...(await hashFiles(this.path, texts)), ...Object.fromEntries(hashes) };
  }

  async fit(format: RowFormat, reading: Reading): Promise<Fitted> {
    this.#checkFormat(format);
    const fits = startFits(format);
    const fitters: (readonly [columns: readonly string[], fitter: FieldFitter])[] = [];
    for (const field of format.fields) {
      const ownersFit = fits.get(field.owner);
      if (ownersFit === undefined) continue;
      const fit = cleanFit(ownersFit, field);
      const column = this.#stored.columns.get(field.columns[0]!)!;
      // The manifest has the number of ids.
      if (field.columns.length === 1 && 'size' in column && fit.direct?.cell === 'id')
        fit.direct.observe(Float64Array.of(column.size - 1), 0, 1);
      else fitters.push([field.columns, fieldFitter(field, fit)]);
    }
    if (fitters.length > 0) await this.#fitRows(format, fitters, reading);
    return finishFits(fits);
  }

  /** Fits fields in one pass over their columns. */
  async #fitRows(
    format: RowFormat,
    fitters: readonly (readonly [columns: readonly string[], fitter: FieldFitter])[],
    reading: Reading,
  ): Promise<void> {
    const { folder, manifest } = this.#shards;
    const names = [...new Set(fitters.flatMap(([columns]) => columns))];
    const columns = names.map((name) => storedColumn(this.#stored.columns.get(name)!));
    const largest = manifest.shards.reduce((most, { rows }) => Math.max(most, rows), 0);
    const block = createRowBlock(columns, largest);
    const readers = columnSource(this.#stored);
    let done = 0;
    for (const [shard, { rows, file }] of manifest.shards.entries()) {
      block.rows = 0;
      await this.#shards.read([{ shard, begin: 0, end: rows }], columns, block);
      const placeOf = (row: number): string => `${join(folder, file)}, row ${row}`;
      checkIds(block, manifest.columns, placeOf);
      checkNumbers(block, format, placeOf);
      const chunk = new ChunkRows(shardChunk(block, readers));
      for (const [own, fitter] of fitters) {
        fitter.check(chunk);
        const [first] = chunk.problems();
        if (first !== undefined) throw badRow(placeOf(first[0]), own.join(', '), `expected ${first[1].error.expected}`);
        fitter.observe(chunk);
      }
      done += rows;
      reportShare(reading, `learning vocabularies and scales from ${this.path}`, done / manifest.rows);
    }
  }

  async dataset(format: EncodedFormat, { threads, onWarning }: Reading): Promise<Dataset> {
    this.#checkFormat(format);
    const counts = readIdCounts(this.#shards.manifest);
    checkKeys(format.keys, this.#stored, counts, this.#manifestPath);
    // Only the counts of fields that take stored ids as they are are known.
    const idCounts = new Map<string, IdCount>();
    for (const field of format.fields) {
      const [column] = field.columns as [string];
      const count = counts.get(column);
      if (count !== undefined && takesStored(field, this.#stored.columns.get(column)!)) idCounts.set(field.name, count);
    }
    const options = { idCounts, lossKeys: format.spec.lossKeys, threads, onWarning };
    return Promise.resolve(shardDataset(this.#shards, formatView(this.#stored, format), options));
  }

  async *stream(format: EncodedFormat, kept: readonly string[], reading: StreamReading): AsyncGenerator<EncodedBatch> {
    const { columns } = this.#stored;
    const { cursor, keepsItems = true, keepsTypes = false } = reading;
    const check = computeCheck(Buffer.from(JSON.stringify(this.#shards.manifest.shards)));
    const from = cursor?.positionIn(this.path);
    if (from !== undefined && from.check !== check) throw changedBefore(this.path, 'its manifest has other shards');
    this.#checkFormat(format);
    const keptColumns = kept.map((name) => columns.get(name)!);
    const texts = columnSource({ columns, vocabularies: await readVocabularies(this.path, keptColumns) });
    let done = from?.offset ?? 0;
    const batchSize = this.#limit === undefined ? STREAM_ROWS : SAMPLED_ROWS;
    // A cursor is after whole batches, or after the last row.
    const range = { skipBatches: Math.ceil(done / batchSize) };
    const read = (view: ShardView): ReturnType<Dataset['batches']> =>
      shardDataset(this.#shards, view).batches(batchSize, undefined, range);
    // Rows are read twice: encoded, and as stored.
    const keptBatches = read(asStored(keptColumns.map(storedColumn)));
    try {
      for await (const { batch, totalRows } of read(formatView(this.#stored, format))) {
        const next = kept.length === 0 ? undefined : await keptBatches.next();
        const isSampled = this.#isSampled(done);
        done += batch.rows;
        if (!isSampled) continue;
        const raw = next?.done === false ? next.value.batch : undefined;
        const keptTexts = raw === undefined ? [] : kept.map((name) => textsOf(name, texts, raw, keepsItems));
        const typedOf = (name: string, c: number) => floatsOf(name, raw!) ?? keptTexts[c]!.map((text) => text || null);
        const typed = keepsTypes && raw !== undefined ? kept.map(typedOf) : [];
        cursor?.moveTo(this.path, { offset: done, check }, done + 1);
        yield {
          batch,
          kept: keptTexts,
          typed,
          skipped: [],
          rejects: [],
          leftOut: new Map<string, number>(),
          keyTexts: new Map(),
          begins: [],
        };
        reportShare(reading, `reading ${this.path}`, done / totalRows);
      }
    } finally {
      await keptBatches.return(undefined);
    }
  }

  /** Returns whether the batch that begins with a row is yielded: the first one, and others at even distances. */
  #isSampled(row: number): boolean {
    if (this.#limit === undefined) return true;
    const share = this.#limit / this.#shards.manifest.rows;
    const numBefore = (batches: number): number => Math.ceil(batches * share);
    return numBefore(row / SAMPLED_ROWS) < numBefore(row / SAMPLED_ROWS + 1);
  }

  #checkFormat(format: RowFormat): void {
    checkFormat(format, this.#stored, this.#manifestPath);
    checkTargets(format, this.#shards.manifest, this.#manifestPath);
  }

  get #manifestPath(): string {
    return join(this.path, MANIFEST);
  }
}

function missingColumns(missing: readonly string[], names: readonly string[], where: string): UserError {
  const fix = (name: string): string =>
    didYouMean(name, names) ?? `use one of its ${names.length} columns: ${names.slice(0, 40).join(', ')}`;
  return new UserError(
    'data',
    missing.map((name) => ({
      where,
      key: `column '${name}'`,
      message: 'is used by the config, but is not in the manifest',
      fix: fix(name),
    })),
  );
}

/** Returns the numbers or labels of a column by row; undefined for other kinds. */
function floatsOf(name: string, { rows, columns }: Batch): readonly number[] | undefined {
  const floats = columns.get(name);
  return floats?.type === 'f32' && floats.width === 1 ? Array.from(floats.data.subarray(0, rows)) : undefined;
}

/** Returns the texts of a stored column by row; numbers have the shortest text of a 32-bit float. */
function textsOf(name: string, source: ColumnSource, raw: Batch, keepsItems: boolean): readonly string[] {
  const rows = Array.from({ length: raw.rows }, (_, row) => row);
  const stored = raw.columns.get(name)!;
  if (!keepsItems && stored.type === 'list')
    return rows.map((row) => (stored.offsets[row] === stored.offsets[row + 1] ? '[]' : '[1]'));
  if (stored.type === 'u32' && stored.width === KEY_WORDS)
    return rows.map((row) => textOfKey(stored.data[KEY_WORDS * row]!, stored.data[KEY_WORDS * row + 1]!));
  if (stored.type === 'f32' && stored.width === 1) return rows.map((row) => floatText(stored.data[row]!));
  const column = source.get(name)!(raw);
  return rows.map((row) => column.text(row));
}

/**
 * Checks that columns of shards can be key columns.
 * @throws UserError (data) with all problems
 */
function checkKeys(
  keys: readonly string[],
  { columns }: ShardColumns,
  counts: ReadonlyMap<string, IdCount>,
  where: string,
): void {
  const fix = 'use the source CSV, JSON Lines or Parquet files, or remove the grouping by this column from the config';
  const problems = keys.flatMap((column): Problem[] => {
    const { kind } = columns.get(column)!;
    const unknown = counts.get(column)?.unknown ?? 0;
    if (kind === 'id' && unknown === 0) return [];
    const message =
      kind === 'id'
        ? `groups rows, but ${unknown} of its values have the out-of-vocabulary id 0 and cannot be distinguished`
        : `groups rows, but shards store grouping values only for columns of kind id, not ${kind}`;
    return [{ where, key: `column '${column}'`, message, fix }];
  });
  if (problems.length > 0) throw new UserError('data', problems);
}

/**
 * Checks that the items of a sequence are numbered as the field that they are compared with.
 * @throws UserError (data) with all problems
 */
function checkTargets({ fields }: RowFormat, { about }: Shards['manifest'], where: string): void {
  if (about.vocabulary === undefined) return;
  const problems = fields.flatMap((field): Problem[] => {
    const column = field.columns[0]!;
    const target = fields.find(({ name }) => name === field.owner)!.columns[0]!;
    const shared = about.sharedIds?.[column];
    if (!('sequence' in field) || field.isLikeOwner !== true || shared === target) return [];
    return [
      {
        where,
        key: `column '${column}'`,
        message: `has target '${target}', but these shards number the ids of both columns separately`,
        fix:
          shared === undefined
            ? `prepare the data again with '${MTL} prepare', or remove target`
            : `use target: ${shared}, which has the same ids, or remove target`,
      },
    ];
  });
  if (problems.length > 0) throw new UserError('data', problems);
}

/** Describes the values of a column. */
const shapeOf = (kind: BlockColumn['kind']): string =>
  kind === 'id' || kind === 'number' || kind === 'label' ? 'one value per row' : `a ${kind}`;

/**
 * Checks that shards can be read by a format: their labels are final, and fields have columns of a suitable kind.
 * @throws UserError (data)
 */
function checkFormat(format: RowFormat, { columns }: ShardColumns, where: string): void {
  const fail = (key: string, message: string, fix?: string): never => {
    throw userError('data', { where, key, message, ...(fix !== undefined && { fix }) });
  };
  if (format.spec.sampling !== undefined)
    fail(
      'data.negativeSampling',
      'excludes rows while reading raw values, but shards are already encoded',
      'use the source CSV or Parquet files',
    );
  if (format.fields.some(({ logged }) => logged !== undefined))
    fail(
      'data.sequences',
      'finds events by the raw values of rows, but shards are already encoded',
      'use the source CSV, JSON Lines or Parquet files',
    );
  const isDerived =
    format.masks.length > 0 ||
    format.labels.some(({ name, columns: from }) => from.length > 1 || from[0] !== name) ||
    format.spec.tasks.some(
      (task) => task.onMissing !== 'error' || (normalizeGiven(task)?.violations ?? 'error') !== 'error',
    );
  if (isDerived)
    fail(
      'tasks',
      'label conditions, onMissing, violations, sampleWeight and distill require raw values, but shards are encoded',
      'use the source CSV or Parquet files, or create shards with these labels',
    );
  for (const { name } of format.labels) {
    const { kind } = columns.get(name)!;
    if (kind !== 'label')
      fail(`column '${name}'`, `expected a column of kind label as in the config, found kind ${kind}`);
  }
  for (const field of format.fields) {
    for (const name of field.columns) {
      const { kind } = columns.get(name)!;
      const source = listColumns(field).includes(name) ? 'bag' : 'number';
      const expected = shapeOf(field.computed === undefined ? fieldColumn(field).kind : source);
      if (kind === 'label' || shapeOf(kind) !== expected)
        fail(
          `column '${name}'`,
          `is of kind ${kind}, but the config expects ${expected}`,
          'change the type of the feature',
        );
    }
  }
}
