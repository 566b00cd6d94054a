import { join } from 'node:path';
import { column, type Batch } from '../../core/batch.js';
import type { StringPool } from '../../features/vocabulary/string-pool.js';
import { createRowBlock, type BlockColumn, type RowBlock } from '../rows/row-block.js';
import type { Shards } from '../shards/reader.js';
import { readVocabulary } from '../shards/vocabulary.js';
import type { LocalField } from './local-columns.js';

/** The rows of a file, a shard at a time; a block is valid until the next is. */
export async function* localBlocks(
  shards: Shards,
  columns: readonly BlockColumn[],
): AsyncGenerator<{ readonly block: RowBlock; readonly share: number }> {
  const { manifest } = shards;
  const block = createRowBlock(columns, Math.max(0, ...manifest.shards.map(({ rows }) => rows)));
  let done = 0;
  for (const [shard, { rows }] of manifest.shards.entries()) {
    block.rows = 0;
    await shards.read([{ shard, begin: 0, end: rows }], columns, block);
    done += rows;
    yield { block, share: done / manifest.rows };
  }
}

/** By field whose texts are numbered: these. */
export async function localTexts(
  { folder, manifest }: Shards,
  fields: readonly LocalField[],
): Promise<ReadonlyMap<string, StringPool>> {
  const texts = new Map<string, StringPool>();
  for (const { field } of fields) {
    const found = manifest.columns.find(({ name }) => name === field.name);
    if (found !== undefined && 'vocabulary' in found && found.vocabulary !== undefined)
      texts.set(field.name, await readVocabulary(join(folder, found.vocabulary)));
  }
  return texts;
}

/** Does something with the numbers of each row of a column of vectors, which are kept as the weights of bags. */
export function eachVector(
  { rows, bags }: Batch,
  name: string,
  work: (values: Float32Array, row: number) => void,
): void {
  const { weights, offsets } = column(bags, name);
  for (let row = 0; row < rows; row++) work(weights.subarray(offsets[row], offsets[row + 1]), row);
}

/** The numbers of 64 bits whose words a column holds. */
export function numbersOf({ vectors }: Batch, name: string): Float64Array {
  const { data } = column(vectors!, name);
  return new Float64Array(data.buffer, data.byteOffset, data.length / 2);
}
