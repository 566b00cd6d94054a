import { countZeros, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { column, readIds } from '../../core/batch.js';
import type { KeyTexts } from '../../core/row-key.js';
import { addKeyTexts } from '../rows/key-readers.js';
import { countLeftOut, type LeftOut } from '../rows/rejects.js';
import type { Manifest } from './manifest.js';

/** Number of ids of a column, or of items of its bags, and how many of them are 0, the OOV id. */
export interface IdCount {
  readonly ids: number;
  readonly unknown: number;
}

/** Adds the ids of a block's rows to counts by column. */
export function countIds(block: RowBlock, columns: readonly BlockColumn[], counts: Map<string, IdCount>): void {
  for (const { name, kind } of columns) {
    if (kind !== 'id' && kind !== 'bag') continue;
    const { ids, count } = readIds(block, name);
    addIdCount(counts, name, { ids: count, unknown: countZeros(ids, count) });
  }
}

function addIdCount(counts: Map<string, IdCount>, name: string, { ids, unknown }: IdCount): void {
  const before = counts.get(name) ?? { ids: 0, unknown: 0 };
  counts.set(name, { ids: before.ids + ids, unknown: before.unknown + unknown });
}

/** Adds the number of a block's rows with label 1 to counts by column. */
export function countLabels(block: RowBlock, columns: readonly BlockColumn[], counts: Map<string, number>): void {
  for (const { name, kind } of columns) {
    if (kind !== 'label') continue;
    const values = column(block, name, 'f32').data;
    let ones = 0;
    for (let row = 0; row < block.rows; row++) if (values[row] === 1) ones++;
    counts.set(name, (counts.get(name) ?? 0) + ones);
  }
}

/** Returns the number of excluded rows of shards by reason, as far as their writer counted them. */
export function readLeftOut({ about }: Manifest): LeftOut {
  return new Map(Object.entries(about.leftOut ?? {}));
}

/** Returns the number of rows with label 1 by column, as far as the writer of the shards counted them. */
export function readLabelCounts({ about }: Manifest): ReadonlyMap<string, number> {
  return new Map(Object.entries(about.labelCounts ?? {}));
}

/** Returns the number of ids by column, as far as the writer of the shards counted them. */
export function readIdCounts({ about }: Manifest): ReadonlyMap<string, IdCount> {
  return new Map(Object.entries(about.idCounts ?? {}));
}

/** Returns the texts of hashed keys by key column; empty if the shards have none. */
export function readKeyTexts({ about }: Manifest): ReadonlyMap<string, KeyTexts> {
  return new Map(
    Object.entries(about.keyTexts ?? {}).map(([name, texts]) => [name, texts && new Map(Object.entries(texts))]),
  );
}

/** Converts texts of hashed keys to JSON. */
export function storedKeyTexts(texts: ReadonlyMap<string, KeyTexts>): NonNullable<Manifest['about']['keyTexts']> {
  return Object.fromEntries(Array.from(texts, ([name, found]) => [name, found && Object.fromEntries(found)]));
}

/** Sums the counts of several directories of shards. */
export function sumCounts(manifests: readonly Manifest[]): Manifest['about'] {
  const leftOut = new Map<string, number>();
  const labelCounts = new Map<string, number>();
  const idCounts = new Map<string, IdCount>();
  const keyTexts = new Map<string, KeyTexts>();
  for (const manifest of manifests) {
    countLeftOut(leftOut, readLeftOut(manifest));
    countLeftOut(labelCounts, readLabelCounts(manifest));
    for (const [name, count] of readIdCounts(manifest)) addIdCount(idCounts, name, count);
    addKeyTexts(keyTexts, readKeyTexts(manifest));
  }
  return {
    leftOut: Object.fromEntries(leftOut),
    labelCounts: Object.fromEntries(labelCounts),
    idCounts: Object.fromEntries(idCounts),
    keyTexts: storedKeyTexts(keyTexts),
  };
}
