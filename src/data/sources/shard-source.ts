import { join } from 'node:path';
import { ChunkRows } from '../../chunks/chunk.js';
import { createRowBlock, type BlockColumn } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { didYouMean, UserError, userError } from '../../core/errors.js';
import { KEY_WORDS, textOfKey } from '../../core/row-key.js';
import { normalizeGiven } from '../../core/tasks.js';
import { cleanFit } from '../../features/clean-field.js';
import type { FieldFitter } from '../../features/kinds/kind.js';
import { fieldColumn, fieldFitter, takesStored } from '../../features/kinds/kinds.js';
import type { StringPool } from '../../features/vocabulary/string-pool.js';
import { floatText } from '../../text/float-text.js';
import { shardDataset, type Dataset } from '../batches/dataset.js';
import { noRows } from '../encoding/no-rows.js';
import { hashFiles } from '../readers/fingerprint.js';
import { finishFits, startFits } from '../encoding/fit-readers.js';
import type { EncodedFormat, RowFormat } from '../rows/row-format.js';
import { badRow, checkIds, checkNumbers } from '../shards/check-shard-rows.js';
import { idCountsOf } from '../shards/id-counts.js';
import { contentHashOf, MANIFEST } from '../shards/manifest.js';
import type { Shards } from '../shards/reader.js';
import { problemsOfKeys } from '../shards/shard-keys.js';
import {
  asStored,
  columnSource,
  formatView,
  shardChunk,
  storedColumn,
  type ColumnSource,
  type ShardColumns,
} from '../shards/shard-view.js';
import { readVocabulary } from '../shards/vocabulary.js';
import type { Source } from './source.js';

/** Rows that pass together. */
const STREAM_ROWS = 1 << 12;

/**
 * A folder of shards that was not made for this config: by `mtl prepare`, or by hand. Its rows are read as they are;
 * every
 * one of them must be good.
 * @throws UserError (data) that names every column that is missing or of another kind than the config needs
 */
export async function openShardSource(shards: Shards, wanted: readonly string[]): Promise<Source> {
  const { folder, manifest } = shards;
  const columns = new Map(manifest.columns.map((column) => [column.name, column]));
  const where = join(folder, MANIFEST);
  const missing = wanted.filter((name) => !columns.has(name));
  if (missing.length > 0) {
    const fix = (name: string): string =>
      didYouMean(name, [...columns.keys()]) ??
      `use one of its ${columns.size} columns: ${[...columns.keys()].slice(0, 40).join(', ')}`;
    throw new UserError(
      'data',
      missing.map((name) => ({
        where,
        key: `column '${name}'`,
        message: 'is used by the config, but is not in the manifest',
        fix: fix(name),
      })),
    );
  }
  if (manifest.rows === 0) throw noRows([folder]);
  const readVocabularies = async (names: readonly string[]): Promise<ReadonlyMap<string, StringPool>> => {
    const vocabularies = new Map<string, StringPool>();
    for (const name of names) {
      const column = columns.get(name)!;
      if ('vocabulary' in column && column.vocabulary !== undefined)
        vocabularies.set(name, await readVocabulary(join(folder, column.vocabulary)));
    }
    return vocabularies;
  };
  const source: ShardColumns = { columns, vocabularies: await readVocabularies(wanted) };
  return {
    path: folder,
    files: [],
    takesRules: false,
    columns: [...columns.keys()],

    async fingerprint() {
      const texts = manifest.columns.flatMap((column) =>
        'vocabulary' in column && column.vocabulary !== undefined ? [column.vocabulary] : [],
      );
      // A shard is held to its hash when it is read.
      return {
        ...(await hashFiles(folder, texts)),
        ...Object.fromEntries(
          manifest.shards.map((shard) => [shard.file, { bytes: shard.bytes, hash: contentHashOf(shard) }]),
        ),
      };
    },

    async fit(format, { onProgress, signal }) {
      checkKinds(format, source, where);
      const fits = startFits(format);
      const toRead: ShardFitter[] = [];
      for (const field of format.fields) {
        const ownersFit = fits.get(field.owner);
        if (ownersFit === undefined) continue;
        const fit = cleanFit(ownersFit, field);
        const column = columns.get(field.columns[0]!)!;
        // A column of ids has the number of ids in the manifest.
        if (field.columns.length === 1 && 'size' in column && fit.direct?.cell === 'id')
          fit.direct.observe(column.size - 1);
        else toRead.push({ columns: field.columns, fitter: fieldFitter(field, fit) });
      }
      if (toRead.length > 0) {
        await fitShards(shards, source, format, toRead, (share) => {
          onProgress?.({ what: `learning vocabularies and scales from ${folder}`, share });
          signal?.throwIfAborted();
        });
      }
      return finishFits(fits);
    },

    dataset(format, { threads, onWarning }) {
      checkKinds(format, source, where);
      const wrongKeys = problemsOfKeys(format.keys, columns, idCountsOf(manifest), where);
      if (wrongKeys.length > 0) return Promise.reject(new UserError('data', wrongKeys));
      return Promise.resolve(
        shardDataset(shards, formatView(source, format), {
          idCounts: countsByField(shards, format),
          lossKeys: format.spec.lossKeys,
          threads,
          onWarning,
        }),
      );
    },

    async *stream(format, kept, { onProgress, signal }) {
      checkKinds(format, source, where);
      const columnsOfKept = columnSource({ columns, vocabularies: await readVocabularies(kept) });
      // The same rows twice: as the format reads them, and as they are stored.
      const stored = shardDataset(shards, asStored(kept.map((name) => storedColumn(columns.get(name)!))));
      const keptBatches = stored.batches(STREAM_ROWS);
      let done = 0;
      try {
        for await (const { batch, totalRows } of shardDataset(shards, formatView(source, format)).batches(
          STREAM_ROWS,
        )) {
          const next = kept.length === 0 ? undefined : await keptBatches.next();
          yield {
            batch,
            kept: next?.done === false ? keptTexts(kept, columnsOfKept, next.value.batch) : [],
            skipped: [],
            rejects: [],
            leftOut: new Map<string, number>(),
            keyTexts: new Map(),
          };
          onProgress?.({ what: `reading ${folder}`, share: (done += batch.rows) / totalRows });
          signal?.throwIfAborted();
        }
      } finally {
        await keptBatches.return(undefined);
      }
    },
  };
}

/** Returns the texts of stored columns. */
function keptTexts(names: readonly string[], source: ColumnSource, raw: Batch): readonly (readonly string[])[] {
  return names.map((name) => {
    const text = textsOf(name, source, raw);
    return Array.from({ length: raw.rows }, (_, row) => text(row));
  });
}

/** Returns a function from a row to the text of a stored value; a number is as short as a 32-bit float allows. */
function textsOf(name: string, source: ColumnSource, raw: Batch): (row: number) => string {
  const keys = raw.keys?.get(name);
  if (keys !== undefined) return (row) => textOfKey(keys[KEY_WORDS * row]!, keys[KEY_WORDS * row + 1]!);
  const floats = raw.numbers.get(name) ?? raw.labels.get(name);
  if (floats !== undefined) return (row) => floatText(floats[row]!);
  const column = source.get(name)!(raw);
  return (row) => column.text(row);
}

/** Returns the counts of fields that take stored ids as they are; those of other fields are unknown. */
function countsByField({ manifest }: Shards, { fields }: EncodedFormat): Dataset['idCounts'] {
  const counts = idCountsOf(manifest);
  return new Map(
    fields.flatMap((field) => {
      const [column] = field.columns as [string];
      const stored = manifest.columns.find((each) => each.name === column);
      const count = counts.get(column);
      const isAsStored = stored !== undefined && field.columns.length === 1 && takesStored(field, stored);
      return isAsStored && count !== undefined ? [[field.name, count]] : [];
    }),
  );
}

/** A field that is fitted on rows. */
interface ShardFitter {
  readonly columns: readonly string[];
  readonly fitter: FieldFitter;
}

/** Fits fields in one pass over their columns. */
async function fitShards(
  shards: Shards,
  source: ShardColumns,
  format: RowFormat,
  fitters: readonly ShardFitter[],
  onShare: (share: number) => void,
): Promise<void> {
  const { manifest } = shards;
  const names = [...new Set(fitters.flatMap(({ columns }) => columns))];
  const columns = names.map((name) => storedColumn(source.columns.get(name)!));
  const block = createRowBlock(columns, Math.max(...manifest.shards.map(({ rows }) => rows)));
  const readers = columnSource(source);
  let done = 0;
  for (const [shard, { rows, file }] of manifest.shards.entries()) {
    block.rows = 0;
    await shards.read([{ shard, begin: 0, end: rows }], columns, block);
    const placeOf = (row: number): string => `${join(shards.folder, file)}, row ${row}`;
    checkIds(block, manifest.columns, placeOf);
    checkNumbers(block, format, placeOf);
    const chunk = new ChunkRows(shardChunk(block, readers));
    for (const { columns: own, fitter } of fitters) {
      fitter.check(chunk);
      const [first] = chunk.problems();
      if (first !== undefined) throw badRow(placeOf(first[0]), own.join(', '), `expected ${first[1].error.expected}`);
      fitter.observe(chunk);
    }
    done += rows;
    onShare(done / manifest.rows);
  }
}

/** What the rows of a column have. */
const shapeOf = (kind: BlockColumn['kind']): string =>
  kind === 'bag' || kind === 'key' ? `a ${kind}` : kind === 'vector' ? 'a vector' : 'one value per row';

/** What a field reads must be of a kind that it can read. */
function checkKinds(format: RowFormat, { columns }: ShardColumns, where: string): void {
  if (format.spec.sampling !== undefined)
    throw userError('data', {
      where,
      key: 'data.negativeSampling',
      message: 'excludes rows while reading raw values, but shards are already encoded',
      fix: 'use the source CSV or Parquet files',
    });
  const made =
    format.masks.length > 0 ||
    format.labels.some(({ name, columns: from }) => from.length > 1 || from[0] !== name) ||
    format.spec.tasks.some(
      (task) => task.onMissing !== 'error' || (normalizeGiven(task)?.violations ?? 'error') !== 'error',
    );
  if (made)
    throw userError('data', {
      where,
      key: 'tasks',
      message:
        'label conditions, onMissing, violations and sampleWeight require raw values, but shards are already encoded',
      fix: 'use the source CSV or Parquet files, or create shards with these labels',
    });
  for (const { name } of format.labels) {
    if (columns.get(name)!.kind !== 'label')
      throw userError('data', {
        where,
        key: `column '${name}'`,
        message: `expected a column of kind label as in the config, found kind ${columns.get(name)!.kind}`,
      });
  }
  for (const field of format.fields) {
    const { kind } = fieldColumn(field);
    for (const name of field.columns) {
      const found = columns.get(name)!.kind;
      if (found === 'label' || shapeOf(found) !== shapeOf(kind)) {
        throw userError('data', {
          where,
          key: `column '${name}'`,
          message: `is of kind ${found}, but the config expects ${shapeOf(kind)}`,
          fix: 'change the type of the feature',
        });
      }
    }
  }
}
