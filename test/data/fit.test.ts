import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitRows } from '../../src/data/pipeline.js';
import { skipBadRows } from '../../src/data/rows/rejects.js';
import { createRowFormat } from '../../src/data/rows/row-format.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';
import { taskOptions } from '../../src/core/tasks.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

// Fits on the bytes of plain rows and compares with a fit on parsed values.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const tokens = { name: 'tokens' };
const groups = [
  { type: 'categorical', fields: ['word', 'other'], encoding: tokens, table: { other: 'word' } },
  { type: 'categorical', fields: ['crossed'], encoding: { ...tokens, minCount: 2 } },
  { type: 'categorical', fields: ['id'] },
  { type: 'cross', fields: [['crossed', 'id']], buckets: 10 },
].map((group) => featureTypes.schema.parse(group));
const HEADER = 'click,word,other,crossed,id\n';

async function learned(rows: readonly (readonly Buffer[])[], isQuoted: boolean, chunkBytes: number): Promise<unknown> {
  const quote = Buffer.from(isQuoted ? '"' : '');
  const lines = rows.map((cells) =>
    Buffer.concat([
      ...cells.flatMap((cell, i) => [Buffer.from(i === 0 ? '' : ','), quote, cell, quote]),
      Buffer.from('\n'),
    ]),
  );
  const path = scratchFile('train.csv', Buffer.concat([Buffer.from(HEADER), ...lines]));
  const policy = skipBadRows(undefined, 1000);
  const fitted = await fitRows(
    [await openAllColumns(path, {}, chunkBytes)],
    createRowFormat({ tasks, groups }),
    policy,
  );
  return [storedFitted(fitted).json, policy.count];
}

describe('fit', () => {
  it('learns the same from bytes and from values, and nothing from rejected rows', async () => {
    const text = fc
      .constantFrom('a', 'b', 'c', '', 'ü', '東京', '😀', '\0', 'a b', 'constructor', 'x'.repeat(300))
      .map((cell) => Buffer.from(cell));
    const bad = fc.constantFrom([0xff], [0xc3], [0xed, 0xa0, 0x80], [97, 0x80]).map((bytes) => Buffer.from(bytes));
    const word = fc.oneof({ weight: 20, arbitrary: text }, { weight: 1, arbitrary: bad });
    const label = fc.constantFrom('0', '1', '0', '1', '0', '1', 'x').map((cell) => Buffer.from(cell));
    const id = fc.constantFrom('0', '7', '007', '12', 'none').map((cell) => Buffer.from(cell));
    const good = ['1', 'a', 'b', 'c', '3'].map((cell) => Buffer.from(cell));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(label, word, word, word, id), { maxLength: 60 }),
        fc.integer({ min: 1, max: 3000 }),
        async (rows, chunkBytes) => {
          const all = [...rows, good];
          expect(await learned(all, false, chunkBytes)).toEqual(await learned(all, true, chunkBytes));
        },
      ),
      { numRuns: 150 },
    );
  });
});
