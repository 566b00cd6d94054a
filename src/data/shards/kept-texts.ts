import type { Batch } from '../../core/batch.js';
import { floatText } from '../../text/float-text.js';
import { itemsJson } from '../rows/items-json.js';
import { KEY_WORDS, textOfKey } from '../../core/row-key.js';
import { textsOf, type ShardColumns } from './shard-view.js';

/** The cells of a column of shards as texts: those of its vocabulary, where it has one, or numbers as they are. */
export function keptTexts(source: ShardColumns, name: string, batch: Batch): readonly string[] {
  const textOf = textsOf(source, name);
  const vector = batch.vectors?.get(name);
  if (vector !== undefined)
    return Array.from(
      { length: batch.rows },
      (_, row) =>
        `[${Array.from(vector.data.subarray(row * vector.width, (row + 1) * vector.width), floatText).join(', ')}]`,
    );
  const keys = batch.keys?.get(name);
  if (keys !== undefined)
    return Array.from({ length: batch.rows }, (_, row) =>
      textOfKey(keys[KEY_WORDS * row]!, keys[KEY_WORDS * row + 1]!),
    );
  const bag = batch.bags.get(name);
  if (bag === undefined) {
    const ids = batch.ids.get(name);
    const floats = batch.numbers.get(name) ?? batch.labels.get(name);
    return Array.from(
      { length: batch.rows },
      ids === undefined ? (_, row) => floatText(floats![row]!) : (_, row) => textOf(ids[row]!),
    );
  }
  const ids = Array.from(bag.ids, textOf);
  const weights = Array.from(bag.weights, (weight) => Number(floatText(weight)));
  return Array.from({ length: batch.rows }, (_, row) =>
    itemsJson({ ids, weights, begin: bag.offsets[row]!, end: bag.offsets[row + 1]! }),
  );
}
