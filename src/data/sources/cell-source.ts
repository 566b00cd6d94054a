import { join } from 'node:path';
import { quoted, UserError, userError } from '../../core/errors.js';
import type { Fitted } from '../../features/feature-types.js';
import { LARGEST_ID } from '../../features/parse.js';
import { writeFolder, writeSynced } from '../../io/disk.js';
import { shardDataset, type Dataset } from '../batches/dataset.js';
import { recipe } from '../cache/cache.js';
import { ENTRY } from '../cache/entry.js';
import { readFitted, writeFitted } from '../cache/fitted-folder.js';
import { tidyWritten } from '../cache/tidy.js';
import type { DialectOptions } from '../dialect.js';
import { noRows } from '../encoding/no-rows.js';
import { encodeRows, fitRows } from '../pipeline.js';
import type { CellFile, ColumnType, ParquetSchema, RowSource } from '../readers/cell-file.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import { absentUsers, eventSizes, itemAdder } from '../rows/event-columns.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import {
  toRecipe,
  storedColumns,
  trainedFormat,
  withFilter,
  type EncodedFormat,
  type RowFormat,
} from '../rows/row-format.js';
import { countLeftOut } from '../rows/rejects.js';
import { readIdCounts, readLeftOut } from '../shards/counts.js';
import { joinedShards } from '../shards/joined-shards.js';
import type { Shards } from '../shards/reader.js';
import { asStored } from '../shards/shard-view.js';
import {
  areRawRowsExact,
  cachedRawRows,
  cachedShards,
  encodingThreads,
  fitsAnything,
  fromRawRows,
  lackShards,
  rawPolicy,
} from './cached-rows.js';
import { reportShare, type CellOpening, type CellPart, type OpenedFile } from './cell-part.js';
import { CellParts } from './cell-parts.js';
import type { ComputedColumns } from './computed-columns.js';
import type { DataFile } from './find-files.js';
import { encodeDistributed } from './distributed-encode.js';
import type { Access, Reading, Source, StreamReading } from './source.js';

/**
 * Opens CSV, JSON Lines or Parquet files as one source with the rows of the files in order. Encoded rows are cached
 * file by file, the rows of many small files pack by pack, and so is what is fitted on all of them. If there are
 * several files, each is read once: its raw rows are cached, from which all files are fitted and encoded again if
 * another file is added.
 * @throws UserError (data) with the problems of all files
 */
export async function openCellSource(
  files: readonly DataFile[],
  columns: readonly string[],
  dialect: DialectOptions,
  computed?: ComputedColumns,
): Promise<Source> {
  const opening = { columns, dialect, ownCache: {}, computed };
  const parts = await CellParts.open(files, opening);
  checkKinds(parts.whole.rows.map(({ csv }) => csv));
  return new CellSource(parts, files, opening);
}

/**
 * Checks that the files of a source have the same kind, since the text of a value depends on it.
 * @throws UserError (data)
 */
function checkKinds(files: readonly CellFile[]): void {
  const [first] = files;
  const other = files.find(({ kind }) => kind !== first!.kind);
  if (other !== undefined)
    throw userError('data', {
      where: other.path,
      message: `is ${other.kind}, but ${first!.path} is ${first!.kind}`,
      fix: 'use files of one format, for example with a glob such as *.csv',
    });
}

class CellSource implements Source {
  readonly path: string;
  readonly files: readonly string[];
  readonly takesRules = true;
  readonly columns: readonly string[];
  readonly #parts: CellParts;
  readonly #opened: readonly DataFile[];
  readonly #opening: CellOpening;

  constructor(parts: CellParts, files: readonly DataFile[], opening: CellOpening) {
    this.path = parts.whole.path;
    this.files = files.map(({ path }) => path);
    this.columns = parts.columns;
    this.#parts = parts;
    this.#opened = files;
    this.#opening = opening;
  }

  typesOf(columns: readonly string[]): readonly (ParquetSchema | undefined)[] {
    return columns.map((name) => typeInAll(name, this.#parts.whole.files));
  }

  async fingerprint(access: Access): Promise<Fingerprint> {
    this.#prepare(access);
    return this.#parts.whole.fingerprint(access);
  }

  async fit(format: RowFormat, reading: Reading): Promise<Fitted> {
    if (!fitsAnything(format)) return {};
    this.#prepare(reading);
    await this.#opening.computed?.prepare(reading);
    const { all, whole, recipe: ofFiles } = this.#parts;
    // Keys are not fitted.
    const own = recipe('fitted', [toRecipe({ ...format, keys: [] })], ofFiles);
    const trained = trainedFormat(format);
    let fitted: Fitted | undefined;
    const folder = await encodeDistributed(all, reading, {
      isLacking: () => whole.lacks('fitted', own, reading),
      make: this.#keepsRaw(format, reading) ? (part, quiet) => cachedRawRows(part, trained, quiet) : undefined,
      all: () =>
        whole.cached('fitted', own, reading, async (target, entry) => {
          const found = await this.#fitRows(format, reading);
          const read = await whole.fingerprint(reading);
          await writeFolder(target, async (temporary) => {
            await writeFitted(temporary, found);
            await writeSynced(join(temporary, ENTRY), entry(read));
          });
          fitted = found;
        }),
    });
    return fitted ?? (await readFitted(folder));
  }

  async dataset(format: EncodedFormat, reading: Reading): Promise<Dataset> {
    checkTables(format, this.path);
    this.#prepare(reading);
    await this.#opening.computed?.prepare(reading);
    const keepsRaw = this.#keepsRaw(format, reading);
    const encode = (part: CellPart, own: Reading): Promise<Shards> => cachedShards(part, format, own, keepsRaw);
    const all = await encodeDistributed(this.#parts.all, reading, {
      isLacking: () => lackShards(this.#parts.all, format, reading),
      make: encode,
      all: () => this.#parts.readEach(reading, encode),
    });
    await tidyWritten(this.#parts.whole.cacheOf(reading));
    const shards = joinedShards(all);
    if (shards.manifest.rows === 0)
      throw noRows(this.files, readLeftOut(shards.manifest), format.spec.filter, reading.policy.reasons);
    const counts = readIdCounts(shards.manifest);
    const stored = eventSizes(format.fields);
    return shardDataset(shards, asStored(storedColumns(format)), {
      createAdder: () => itemAdder(format.fields),
      idCounts: new Map([...counts].filter(([name]) => !stored.has(name))),
      absentUsers: absentUsers(format.fields, counts),
      lossKeys: format.spec.lossKeys,
      threads: reading.threads,
      onWarning: reading.onWarning,
    });
  }

  async *stream(format: EncodedFormat, kept: readonly string[], reading: StreamReading): AsyncGenerator<EncodedBatch> {
    if (reading.isOnlyRead !== true) this.#prepare(reading);
    const { computed, columns } = this.#opening;
    if (computed !== undefined && reading.cursor !== undefined) throw new Error('computed columns have no cursor');
    await computed?.prepare(reading);
    const parts = await CellParts.open(this.#opened, {
      ...this.#opening,
      columns: [...new Set([...columns, ...kept])],
      keepsAll: this.columns.every((name) => kept.includes(name)),
    });
    const total = this.#parts.whole.bytes;
    let before = 0;
    for (const part of parts.all) {
      const { bytes, path, rows } = part;
      const batches = encodeRows(rows, format, {
        kept: { names: kept, areTyped: reading.keepsTypes },
        cursor: reading.cursor,
        isGrowing: reading.isGrowing,
        threads: encodingThreads(part, reading),
        onWarning: reading.onWarning,
        onShare: (share) => reportShare(reading, `reading ${path}`, total === 0 ? 1 : (before + share * bytes) / total),
      });
      for await (const batch of batches) {
        for (const row of batch.rejects) reading.policy.reject(row);
        yield batch;
      }
      before += bytes;
    }
  }

  /** Prepares for reads: other processes may have added cache entries, and streams will be read again. */
  #prepare(access: Access): void {
    for (const part of this.#parts.all) part.keepStream(access);
    this.#parts.whole.cacheOf(access).index.refresh();
  }

  /** Whether raw rows are cached: what is fitted may change with another file. */
  #keepsRaw(format: RowFormat, { keepsLocalRows = false }: Reading): boolean {
    return (this.files.length > 1 || keepsLocalRows) && fitsAnything(format) && areRawRowsExact(format);
  }

  #fitRows(format: RowFormat, reading: Reading): Promise<Fitted> {
    const onShare = (share: number, { csv }: RowSource): void =>
      reportShare(reading, `learning vocabularies and scales from ${csv.path}`, share);
    const fromFiles = (): Promise<Fitted> => fitRows(this.#parts.whole.rows, format, reading.policy, onShare);
    if (!this.#keepsRaw(format, reading)) return fromFiles();
    return fromRawRows(async () => {
      const trained = trainedFormat(format);
      const raw = await this.#parts.readEach(reading, (part, own) => cachedRawRows(part, trained, own));
      const leftOut = new Map<string, number>();
      for (const each of raw) countLeftOut(leftOut, each.leftOut);
      const excluded = { leftOut, filter: trained.spec.filter };
      const rows = raw.flatMap((each) => each.rows);
      return fitRows(rows, withFilter(trained, undefined), rawPolicy(reading.policy), onShare, excluded);
    }, fromFiles);
  }
}

const UNTYPED: ColumnType = { name: 'string', schema: undefined };

/** @throws UserError (data) for a column whose type differs between files */
function typeInAll(name: string, files: readonly OpenedFile[]): ParquetSchema | undefined {
  const types = files.map(({ path, constants, rows: { csv } }) => ({
    path,
    ...((constants.has(name) ? undefined : csv.typeOf?.(name)) ?? UNTYPED),
  }));
  const [first] = types as [(typeof types)[number]];
  const other = types.find(({ schema }) => JSON.stringify(schema) !== JSON.stringify(first.schema));
  if (other !== undefined)
    throw userError('data', {
      where: other.path,
      key: `column ${quoted(name)}`,
      message: `has type ${other.name}, but in ${first.path} it has type ${first.name}`,
      fix: 'cast it to the same type in all files, predict them one by one, or write .jsonl or .csv',
    });
  return first.schema;
}

/**
 * Rejects tables with more rows than there are ids, before anything is encoded for them: the largest id leaves none for
 * missing values.
 * @param where file or folder of the rows
 * @throws UserError (data) with all such tables
 */
export function checkTables({ fields }: EncodedFormat, where: string): void {
  const fix =
    'set encoding: { name: tokens } or { name: hash, buckets: … } for the field, or remove fillMissing: token';
  const tooLarge = fields.filter(({ rows }) => rows > LARGEST_ID + 1);
  if (tooLarge.length > 0)
    throw new UserError(
      'data',
      tooLarge.map(({ name, rows }) => ({
        where,
        key: `field '${name}'`,
        message: `its ids and missing-value token require ${rows} table rows, but the maximum is ${LARGEST_ID + 1}`,
        fix,
      })),
    );
}
