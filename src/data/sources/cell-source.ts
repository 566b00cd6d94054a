import { join } from 'node:path';
import { UserError } from '../../core/errors.js';
import type { Fitted } from '../../features/feature-types.js';
import { LARGEST_ID } from '../../features/parse.js';
import { writeFolder, writeSynced } from '../../io/disk.js';
import { shardDataset, type Dataset } from '../batches/dataset.js';
import { cached, keptFor, recipe, type CacheRequest } from '../cache/cache.js';
import { ENTRY } from '../cache/entry.js';
import { readFitted, writeFitted } from '../cache/fitted-folder.js';
import { tidyWritten } from '../cache/tidy.js';
import type { DialectOptions } from '../dialect.js';
import { noRows } from '../encoding/no-rows.js';
import { encodeRows, fitRows } from '../pipeline.js';
import type { RowSource } from '../readers/cell-file.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import { absentUsers, eventSizes, itemAdder } from '../rows/event-columns.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import {
  recipeOf,
  storedColumns,
  trainedFormat,
  withFilter,
  type EncodedFormat,
  type RowFormat,
} from '../rows/row-format.js';
import { countLeftOut } from '../rows/row-rule.js';
import { idCountsOf, leftOutOf } from '../shards/counts.js';
import { joinedShards } from '../shards/joined-shards.js';
import { asStored } from '../shards/shard-view.js';
import { cachedShards, encodingThreads, shardsRequest } from './cached-shards.js';
import { reportShare } from './cell-part.js';
import { CellParts } from './cell-parts.js';
import { checkKinds } from './check-kinds.js';
import type { ComputedColumns } from './computed-columns.js';
import type { DataFile } from './find-files.js';
import { areRawRowsExact, cachedRawRows, fitsAnything, fromRawRows, rawPolicy } from './raw-rows.js';
import { sideBySide } from './side-by-side.js';
import type { Access, Reading, Source, StreamReading } from './source.js';

/**
 * Opens CSV, JSON Lines or Parquet files as one source, whose rows are those of the files in order. Encoded rows are
 * cached file by file, those of many small files pack by pack, and so is what is fitted on all of them. If there are
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
  checkKinds(parts.files.map(({ rows }) => rows.csv));
  const reopen = (kept: readonly string[]): Promise<CellParts> => {
    const keepsAll = parts.columns.every((name) => kept.includes(name));
    return CellParts.open(files, { ...opening, columns: [...new Set([...columns, ...kept])], keepsAll });
  };
  return new CellSource(parts, reopen, computed);
}

class CellSource implements Source {
  readonly path: string;
  readonly files: readonly string[];
  readonly takesRules = true;
  readonly columns: readonly string[];
  readonly #parts: CellParts;
  readonly #reopen: (kept: readonly string[]) => Promise<CellParts>;
  readonly #computed: ComputedColumns | undefined;

  /** @param reopen opens the files with more columns */
  constructor(parts: CellParts, reopen: (kept: readonly string[]) => Promise<CellParts>, computed?: ComputedColumns) {
    this.path = parts.path;
    this.files = parts.files.map(({ path }) => path);
    this.columns = parts.columns;
    this.#parts = parts;
    this.#reopen = reopen;
    this.#computed = computed;
  }

  async fingerprint(access: Access): Promise<Fingerprint> {
    this.#prepare(access);
    return this.#parts.fingerprint(access);
  }

  async fit(format: RowFormat, reading: Reading): Promise<Fitted> {
    if (!fitsAnything(format)) return {};
    this.#prepare(reading);
    await this.#computed?.prepare(reading);
    const cache = this.#parts.first.cacheOf(reading);
    const request = await this.#fitRequest(format, reading);
    const trained = trainedFormat(format);
    let fitted: Fitted | undefined;
    const folder = await sideBySide(this.#parts.all, reading, {
      isLacking: async () => (await keptFor(cache, request)) === undefined,
      make: this.#keepsRaw(format, reading) ? (part, own) => cachedRawRows(part, trained, own) : undefined,
      all: () => {
        this.#prepare(reading);
        return cached(cache, request, async (target, entry) => {
          const found = await this.#fitRows(format, reading);
          const read = await this.#parts.fingerprint(reading);
          await writeFolder(target, async (temporary) => {
            await writeFitted(temporary, found);
            await writeSynced(join(temporary, ENTRY), entry(read));
          });
          fitted = found;
        });
      },
    });
    return fitted ?? (await readFitted(folder));
  }

  async dataset(format: EncodedFormat, reading: Reading): Promise<Dataset> {
    checkTables(format, this.path);
    this.#prepare(reading);
    await this.#computed?.prepare(reading);
    const keepsRaw = this.#keepsRaw(format, reading);
    const all = await sideBySide(this.#parts.all, reading, {
      isLacking: () => this.#lacksShards(format, reading),
      make: (part, own) => cachedShards(part, format, own, keepsRaw),
      all: () => {
        this.#prepare(reading);
        return this.#parts.readEach(reading, (part, own) => cachedShards(part, format, own, keepsRaw));
      },
    });
    await tidyWritten(this.#parts.first.cacheOf(reading));
    const shards = joinedShards(all);
    if (shards.manifest.rows === 0)
      throw noRows(this.files, leftOutOf(shards.manifest), format.spec.filter, reading.policy.reasons);
    const counts = idCountsOf(shards.manifest);
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
    if (this.#computed !== undefined && reading.cursor !== undefined)
      throw new Error('computed columns have no cursor');
    await this.#computed?.prepare(reading);
    const total = this.#parts.all.reduce((sum, { bytes }) => sum + bytes, 0);
    let before = 0;
    for (const part of (await this.#reopen(kept)).all) {
      const { bytes, path, rows } = part;
      const batches = encodeRows(rows, format, {
        kept,
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
    this.#parts.first.cacheOf(access).index.refresh();
  }

  /** Whether raw rows are cached: what is fitted may change with another file. */
  #keepsRaw(format: RowFormat, { keepsLocalRows = false }: Reading): boolean {
    return (this.#parts.areSeveral || keepsLocalRows) && fitsAnything(format) && areRawRowsExact(format);
  }

  async #fitRequest(format: RowFormat, access: Access): Promise<CacheRequest> {
    const parts = this.#parts;
    const known = await parts.eachOf((part) => part.identify(access));
    return {
      kind: 'fitted',
      source: this.path,
      home: parts.first.home,
      stats: parts.stats,
      fingerprint: known.every((each) => each !== undefined) ? parts.byName(known) : undefined,
      // Keys are not fitted.
      recipe: recipe('fitted', [recipeOf({ ...format, keys: [] })], parts.recipe),
    };
  }

  #fitRows(format: RowFormat, reading: Reading): Promise<Fitted> {
    const onShare = (share: number, { csv }: RowSource): void =>
      reportShare(reading, `learning vocabularies and scales from ${csv.path}`, share);
    const fromFiles = (): Promise<Fitted> =>
      fitRows(
        this.#parts.files.map(({ rows }) => rows),
        format,
        reading.policy,
        onShare,
      );
    const fromRaw = async (): Promise<Fitted> => {
      const trained = trainedFormat(format);
      const raw = await this.#parts.readEach(reading, (part, own) => cachedRawRows(part, trained, own));
      const leftOut = new Map<string, number>();
      for (const each of raw) countLeftOut(leftOut, each.leftOut);
      const excluded = { leftOut, filter: trained.spec.filter };
      const rows = raw.flatMap((each) => each.rows);
      return fitRows(rows, withFilter(trained, undefined), rawPolicy(reading.policy), onShare, excluded);
    };
    return this.#keepsRaw(format, reading) ? fromRawRows(fromRaw, fromFiles) : fromFiles();
  }

  async #lacksShards(format: EncodedFormat, reading: Reading): Promise<boolean> {
    for (const part of this.#parts.all) {
      const request = await shardsRequest(part, format, reading);
      if ((await keptFor(part.cacheOf(reading), request)) === undefined) return true;
    }
    return false;
  }
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
