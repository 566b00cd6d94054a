import { column as columnOf, type Batch } from '../../core/batch.js';
import type { Problem } from '../../core/errors.js';
import { textReader, type StringPool } from '../../features/vocabulary/string-pool.js';
import { joinKeyTexts, KEY_WORDS, keyColumn, keyDigits, MAX_KEY_TEXTS, type KeyTexts } from '../../core/row-key.js';
import { createKeyWriter } from '../rows/key-readers.js';
import { badRow, type PlaceOf } from './check-shard-rows.js';
import type { IdCounts } from './id-counts.js';
import type { ShardColumn } from './manifest.js';

// Shards that somebody else wrote have no keys. Where a column of ids merges nothing, its ids are as good.

/** The id that stands for all that are rare or were never seen, whose rows are no group. */
const UNKNOWN = 0;

/** The keys of a column's ids. */
interface ShardKeys {
  /** By id, two words each; undefined where the ids are the cells. */
  readonly keys: Uint32Array | undefined;
  readonly texts: KeyTexts;
}

/** What is wrong with columns of shards as keys, and what to do about it. */
export function problemsOfKeys(
  keys: readonly string[],
  columns: ReadonlyMap<string, ShardColumn>,
  counts: ReadonlyMap<string, IdCounts[string]>,
  where: string,
): readonly Problem[] {
  const fix = 'use the source CSV, JSON Lines or Parquet files, or remove the grouping by this column from the config';
  return keys.flatMap((column): Problem[] => {
    const key = `column '${column}'`;
    const kind = columns.get(column)!.kind;
    if (kind !== 'id')
      return [
        {
          where,
          key,
          message: `groups rows, but shards store grouping values only for columns of kind id, not ${kind}`,
          fix,
        },
      ];
    const unknown = counts.get(column)?.unknown ?? 0;
    return unknown === 0
      ? []
      : [
          {
            where,
            key,
            message:
              `groups rows, but ${unknown} of its values have the out-of-vocabulary id ${UNKNOWN} and cannot be ` +
              'distinguished',
            fix,
          },
        ];
  });
}

/** The keys of a column of ids: those of its vocabulary's texts, so that rows of other files have the same. */
export function shardKeys(vocabularies: ReadonlyMap<string, StringPool>, column: string): ShardKeys {
  const vocabulary = vocabularies.get(column);
  if (vocabulary === undefined) return { keys: undefined, texts: new Map() };
  const size = vocabulary.offsets.length - 1;
  const keys = new Uint32Array(KEY_WORDS * size);
  const write = createKeyWriter();
  const textAt = textReader(vocabulary);
  const hashes: [string, string][] = [];
  for (let id = 0; id < size; id++) {
    const text = textAt(id);
    if (write(text, keys, KEY_WORDS * id) && hashes.length <= MAX_KEY_TEXTS)
      hashes.push([keyDigits(keys[KEY_WORDS * id]!, keys[KEY_WORDS * id + 1]!), text]);
  }
  return { keys, texts: joinKeyTexts(new Map(), new Map(hashes)) };
}

/**
 * Makes the keys of rows from their ids as they were read: the step must come before those that change ids in place.
 */
export function keyStep(
  column: string,
  { keys }: ShardKeys,
  ready: Map<string, Uint32Array>,
  capacity: number,
): (raw: Batch, placeOf: PlaceOf) => void {
  const to = new Uint32Array(KEY_WORDS * capacity);
  ready.set(keyColumn(column), to);
  return (raw, placeOf) => {
    const { rows } = raw;
    const ids = columnOf(raw.ids, column);
    for (let row = 0; row < rows; row++) {
      const id = ids[row]!;
      if (id === UNKNOWN)
        throw badRow(
          placeOf(row),
          column,
          `expected an in-vocabulary id for grouping, found the out-of-vocabulary id ${UNKNOWN}`,
        );
      const isText = keys !== undefined && KEY_WORDS * id < keys.length;
      to[KEY_WORDS * row] = isText ? keys[KEY_WORDS * id]! : id;
      to[KEY_WORDS * row + 1] = isText ? keys[KEY_WORDS * id + 1]! : 0;
    }
  };
}
