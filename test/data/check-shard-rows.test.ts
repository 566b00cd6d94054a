import { column } from '../../src/core/batch.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkIds, checkNumbers } from '../../src/data/shards/check-shard-rows.js';
import { createOrderedRows } from '../../src/data/batches/ordered-rows.js';
import { createRowBlock, type BlockColumn, type RowBlock } from '../../src/chunks/row-block.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';

const COLUMNS: readonly BlockColumn[] = [
  { name: 'user', kind: 'id' },
  { name: 'seen', kind: 'bag' },
  { name: 'price', kind: 'number' },
  { name: 'image', kind: 'vector', width: 2 },
];
const ROWS = 21;

/** Row blocks in plain memory and in kernel memory. */
const BLOCKS = {
  plain: createRowBlock(COLUMNS, ROWS + 2),
  kernels: createOrderedRows(COLUMNS, ROWS + 2, 1, 1).raw,
} as const;
const MEMORIES = ['plain', 'kernels'] as const;

const wordsOf = ({ buffer, byteOffset, length }: Uint32Array | Float32Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, length);

/**
 * Creates a block with one bag item per row, `word` in one slot of a column and zeros elsewhere; slots beyond the rows
 * are invalid.
 */
function blockOf(memory: keyof typeof BLOCKS, slot: string, row: number, word: number): RowBlock {
  const block = BLOCKS[memory];
  block.rows = ROWS;
  const bag = column(block, 'seen', 'list');
  for (let r = 0; r <= ROWS; r++) bag.offsets[r] = r;
  const floats = {
    price: column(block, 'price', 'f32').data,
    weights: bag.weights,
    image: column(block, 'image', 'f32').data,
  } as const;
  for (const data of [...Object.values(floats), column(block, 'user', 'u32').data, bag.ids])
    wordsOf(data)
      .fill(0)
      .fill(0x7fc00000, (data === floats.image ? 2 : 1) * ROWS);
  if (slot in floats) wordsOf(floats[slot as keyof typeof floats])[slot === 'image' ? 2 * row + 1 : row] = word;
  else (slot === 'user' ? column(block, 'user', 'u32').data : bag.ids)[row] = word;
  return block;
}

function format(pooling: 'mean' | 'sum') {
  const groups = [
    { type: 'bag', fields: ['seen'], pooling, encoding: { name: 'ids', sizes: { seen: 10 } } },
    { type: 'numeric', fields: ['price'] },
  ];
  return encodedFormat(
    createRowFormat({
      tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
      groups: groups.map((group) => featureTypes.schema.parse(group)),
    }),
    { seen: { size: 10 } },
  );
}

const numberOf = (word: number): number => new Float32Array(Uint32Array.of(word).buffer)[0]!;
/** Bit patterns of floats of all kinds, including the boundaries between kinds. */
const words = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(
    0,
    1,
    0x7f7fffff,
    0x7f800000,
    0x7f800001,
    0x7fffffff,
    0x80000000,
    0x80000001,
    0xff7fffff,
    0xff800000,
    0xff800001,
    0xffffffff,
  ),
);

const SIZES = [1, 2, 1000, 2 ** 31 - 1, 2 ** 31];

describe('shard rows', () => {
  it.each<[string, 'mean' | 'sum', (value: number) => boolean, RegExp]>([
    ['price', 'sum', Number.isFinite, /column 'price': expected a finite number, found/],
    ['image', 'sum', Number.isFinite, /column 'image': expected finite numbers, found/],
    ['weights', 'sum', Number.isFinite, /column 'seen': expected finite weights, found/],
    [
      'weights',
      'mean',
      (value) => Number.isFinite(value) && value >= 0,
      /column 'seen': expected finite weights of at least 0/,
    ],
  ])('reject exactly the invalid numbers: %s of a %s', (column, pooling, isGood, message) => {
    const read = format(pooling);
    fc.assert(
      fc.property(fc.constantFrom(...MEMORIES), words, fc.nat({ max: ROWS - 1 }), (memory, word, row) => {
        const check = (): void => checkNumbers(blockOf(memory, column, row, word), read, (at) => `row ${at}`);
        if (isGood(numberOf(word))) check();
        else {
          expect(check).toThrow(message);
          expect(check).toThrow(`row ${row}:`);
        }
      }),
      { numRuns: 600 },
    );
  });

  it.each(['user', 'seen'])('reject exactly the ids beyond the size: %s', (column) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MEMORIES),
        fc.oneof(words, fc.constantFrom(...SIZES, ...SIZES.map((size) => size - 1))),
        fc.constantFrom(...SIZES),
        fc.nat({ max: ROWS - 1 }),
        (memory, id, size, row) => {
          const check = (): void =>
            checkIds(
              blockOf(memory, column, row, id),
              [
                { name: 'user', kind: 'id', size },
                { name: 'seen', kind: 'bag', size },
              ],
              (at) => `row ${at}`,
            );
          if (id < size) check();
          else
            expect(check).toThrow(
              `row ${row}: column '${column}': expected an id below ${size} as in the manifest, found ${id}`,
            );
        },
      ),
      { numRuns: 600 },
    );
  });
});
