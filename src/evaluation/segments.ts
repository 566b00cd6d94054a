import { KEY_WORDS, textOfKey, type KeyTexts } from '../core/row-key.js';
import type { KeyIndex } from '../core/key-index.js';
import { storedColumn, type Block } from './row-store.js';
import { toPosition } from './output-scores.js';

/** Rows with the same value in a column. */
export interface Segment {
  /** Text such as `hour=13`. */
  readonly name: string;
  readonly positions: Uint32Array;
}

/** Maximum number of segments per column; rows of smaller segments are merged into one. */
const MAX_SEGMENTS = 100;
const OTHERS = '(others)';

/**
 * Splits rows by the values of a column: numbers in numeric order, then strings in order, then the merged rest.
 * @param texts strings of hashed keys
 */
export function splitSegments(
  by: string,
  blocks: readonly Block[],
  { keys, count }: Pick<KeyIndex, 'keys' | 'count'>,
  texts: KeyTexts = null,
): readonly Segment[] {
  const sizes = new Uint32Array(count);
  const visitRows = (take: (number: number, block: number, row: number) => void): void => {
    for (const [b, block] of blocks.entries()) {
      const numbers = storedColumn(block.numbers, by);
      for (let row = 0; row < block.rows; row++) take(numbers[row]!, b, row);
    }
  };
  visitRows((number) => {
    sizes[number]!++;
  });
  const values = Array.from({ length: count }, (_, number) => ({
    number,
    text: textOfKey(keys[KEY_WORDS * number]!, keys[KEY_WORDS * number + 1]!, texts),
  }));
  const largest =
    count <= MAX_SEGMENTS
      ? values
      : values
          .sort((a, b) => sizes[b.number]! - sizes[a.number]! || compareValues(a.text, b.text))
          .slice(0, MAX_SEGMENTS - 1);
  const namedValues = [...largest].sort((a, b) => compareValues(a.text, b.text));
  /** Segment of each key index. */
  const segmentByKey = new Uint32Array(count).fill(namedValues.length);
  for (const [s, { number }] of namedValues.entries()) segmentByKey[number] = s;
  const lengths = new Uint32Array(namedValues.length + 1);
  for (let number = 0; number < count; number++) lengths[segmentByKey[number]!]! += sizes[number]!;
  const positions = Array.from(lengths, (length) => new Uint32Array(length));
  const filled = new Uint32Array(lengths.length);
  visitRows((number, block, row) => {
    const s = segmentByKey[number]!;
    positions[s]![filled[s]!++] = toPosition(block, row);
  });
  return [...namedValues.map(({ text }) => text), OTHERS]
    .map((text, s) => ({ name: `${by}=${text}`, positions: positions[s]! }))
    .filter(({ positions: { length } }) => length > 0);
}

function compareValues(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return x - y || (a < b ? -1 : Number(a > b));
}
