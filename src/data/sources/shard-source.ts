import { join } from 'node:path';
import { didYouMean, UserError, userError } from '../../core/errors.js';
import { cleanFit } from '../../features/clean-field.js';
import { CELL_SEPARATOR, type Field, type Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import { takeTopK } from '../../features/top-k-by-weight.js';
import type { StringPool } from '../../features/vocabulary/string-pool.js';
import { hashFiles } from '../files/fingerprint.js';
import { checkIds, checkNumbers } from '../shards/check-shard-rows.js';
import { shardDataset, type Dataset } from '../batches/dataset.js';
import { fitsOf, noRows } from '../encoding/fit.js';
import { createRowBlock, type BlockColumn, type RowBlock } from '../rows/row-block.js';
import type { EncodedFormat, RowFormat } from '../rows/row-format.js';
import { keptTexts } from '../shards/kept-texts.js';
import { problemsOfKeys } from '../shards/shard-keys.js';
import { asStored, formatView, storedColumn, textsOf, type ShardColumns } from '../shards/shard-view.js';
import { idCountsOf } from '../shards/id-counts.js';
import { contentHashOf, MANIFEST } from '../shards/manifest.js';
import type { Shards } from '../shards/reader.js';
import { readVocabulary } from '../shards/vocabulary.js';
import { normalizeGiven } from '../../core/tasks.js';
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
      const fits = fitsOf(format);
      const toRead: Observer[] = [];
      for (const field of format.fields) {
        const ownersFit = fits.get(field.owner);
        if (ownersFit === undefined) continue;
        const fit = cleanFit(ownersFit, field);
        const column = columns.get(field.columns[0]!)!;
        // A column of ids tells how many there are.
        if (field.columns.length === 1 && 'size' in column && fit.direct?.cell === 'id')
          fit.direct.observe(column.size - 1);
        else toRead.push({ field, fit });
      }
      if (toRead.length > 0) {
        await observeRows(shards, source, format, toRead, (share) => {
          onProgress?.({ what: `learning vocabularies and scales from ${folder}`, share });
          signal?.throwIfAborted();
        });
      }
      return Object.fromEntries([...fits].map(([name, fit]) => [name, fit.finish()])) satisfies Fitted;
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

    async stream(format, kept, { onProgress, signal }, take) {
      checkKinds(format, source, where);
      const vocabularies = await readVocabularies(kept);
      const keptColumns = kept.map((name) => storedColumn(columns.get(name)!));
      // The same rows twice: as the format reads them, and as they are.
      const keptBatches = shardDataset(shards, asStored(keptColumns)).batches(STREAM_ROWS);
      let done = 0;
      for await (const { batch, totalRows } of shardDataset(shards, formatView(source, format)).batches(STREAM_ROWS)) {
        const beside = kept.length === 0 ? undefined : await keptBatches.next();
        const texts =
          beside?.done === false
            ? kept.map((name) => keptTexts({ columns, vocabularies }, name, beside.value.batch))
            : [];
        await take({ batch, kept: texts, skipped: [] });
        onProgress?.({ what: `reading ${folder}`, share: (done += batch.rows) / totalRows });
        signal?.throwIfAborted();
      }
      await keptBatches.return(undefined);
      return new Map<string, number>();
    },
  };
}

/** Counts of the fields that take the ids of a column as they are: of others nobody knows before they are encoded. */
function countsByField({ manifest }: Shards, { fields }: EncodedFormat): Dataset['idCounts'] {
  const counts = idCountsOf(manifest);
  return new Map(
    fields.flatMap((field) => {
      const {
        name,
        kind,
        columns: [column],
        columns: { length },
        direct,
      } = field;
      // Which items of a bag are left out is not known before.
      if (field.kind === 'bag' && field.form.maxItems !== undefined) return [];
      const [found, count] = [manifest.columns.find((each) => each.name === column), counts.get(column!)];
      const isAsItIs =
        found !== undefined &&
        'size' in found &&
        found.kind === kind &&
        length === 1 &&
        direct?.cell === 'id' &&
        found.size <= direct.below;
      return isAsItIs && count !== undefined ? [[name, count]] : [];
    }),
  );
}

/** A field that is learned from. */
interface Observer {
  readonly field: Field;
  readonly fit: Fit;
}

/** Goes once through the rows of the columns that something is learned from. */
async function observeRows(
  shards: Shards,
  source: ShardColumns,
  format: RowFormat,
  observers: readonly Observer[],
  onShare: (share: number) => void,
): Promise<void> {
  const { manifest } = shards;
  const names = [...new Set(observers.flatMap(({ field }) => field.columns))];
  const columns = names.map((name) => storedColumn(source.columns.get(name)!));
  const block = createRowBlock(columns, Math.max(...manifest.shards.map(({ rows }) => rows)));
  let done = 0;
  for (const [shard, { rows, file }] of manifest.shards.entries()) {
    block.rows = 0;
    await shards.read([{ shard, begin: 0, end: rows }], columns, block);
    const placeOf = (row: number): string => `${join(shards.folder, file)}, row ${row}`;
    checkIds(block, manifest.columns, placeOf);
    checkNumbers(block, format, placeOf);
    for (const observer of observers) observe(observer, source, block);
    done += rows;
    onShare(done / manifest.rows);
  }
}

function observe({ field, fit }: Observer, source: ShardColumns, block: RowBlock): void {
  const [column] = field.columns as [string];
  const bag = block.bags.get(column);
  if (bag !== undefined && field.kind === 'bag') {
    const textOf = textsOf(source, column);
    const { maxItems = Infinity } = field.form;
    for (let r = 0; r < block.rows; r++)
      takeTopK(bag.weights, bag.offsets[r]!, bag.offsets[r + 1]!, maxItems, (i) => fit.observe(textOf(bag.ids[i]!)));
    return;
  }
  const vectors = block.vectors.get(column);
  if (vectors !== undefined) {
    const { width, data } = vectors;
    for (let r = 0; r < block.rows; r++) {
      const values = data.subarray(r * width, (r + 1) * width);
      fit.vector!.check(values);
      fit.vector!.observe(values);
    }
    return;
  }
  const data = block.ids.get(column) ?? block.numbers.get(column)!;
  if (field.columns.length === 1 && block.numbers.has(column) && fit.direct?.cell === 'number') {
    for (let r = 0; r < block.rows; r++) fit.direct.observe(data[r]!);
    return;
  }
  const texts = field.columns.map((name) => ({
    textOf: textsOf(source, name),
    data: block.ids.get(name) ?? block.numbers.get(name)!,
  }));
  for (let r = 0; r < block.rows; r++)
    fit.observe(texts.map(({ textOf, data: values }) => textOf(values[r]!)).join(CELL_SEPARATOR));
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
  for (const { columns: names, kind } of format.fields) {
    for (const name of names) {
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
