import { column } from '../../src/core/batch.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRows } from '../../src/data/readers/open-rows.js';
import { taskOptions } from '../../src/core/tasks.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';

// Compares the members of lists of structs with the values that DuckDB reads, as make.py wrote them.

const FOLDER = join(import.meta.dirname, 'parquet-structs');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.parquet'));
const expected = JSON.parse(readFileSync(join(FOLDER, 'members.json'), 'utf8')) as Record<string, readonly string[][]>;
const members = Object.keys(expected);

/** Reads the lists of columns by row. */
async function listsOf(path: string, columns: readonly string[]): Promise<Record<string, string[][]>> {
  const { csv } = await openRows(path, columns);
  const found: Record<string, string[][]> = Object.fromEntries(columns.map((name) => [name, []]));
  for await (const piece of csv.pieces()) {
    if (!('columns' in piece)) throw new Error('expected columns');
    for (const name of columns) {
      const { offsets, items, weights } = piece.columns.get(name)!.lists!;
      expect(weights).toBeUndefined();
      for (let row = 0; row < piece.rows; row++)
        found[name]!.push(
          Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, i) => items.text(offsets[row]! + i)),
        );
    }
  }
  return found;
}

describe('lists of structs in Parquet', () => {
  it('are read by DuckDB and pyarrow', () => {
    expect(files).toHaveLength(6);
    expect(expected['clicks.item']!.flat().filter((item) => item === '').length).toBeGreaterThan(20);
  });

  it.each(files)('%s has the members that DuckDB reads, together and alone', async (name) => {
    const path = join(FOLDER, name);
    expect(await listsOf(path, members)).toEqual(expected);
    for (const member of members) expect((await listsOf(path, [member]))[member]).toEqual(expected[member]);
  });

  it.each(files)('%s has the fields of a sequence', async (name) => {
    const fields = [
      { name: 'clicks.item', encoding: 'tokens' },
      { name: 'clicks.cate', encoding: 'ids' },
    ];
    const options = { type: 'sequence', name: 's', fields, encoder: 'pooling', nullValues: ['b|c'] };
    const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
    const format = createRowFormat({ tasks, groups: [featureTypes.schema.parse(options)] });
    const source = await openSource(join(FOLDER, name), dataColumns(format));
    const fitted = await source.fit(format, { policy: refuseBadRows });
    const dataset = await source.dataset(encodedFormat(format, fitted), { policy: refuseBadRows });
    const texts = ['', ...vocabularyOf(expected['clicks.item']!.flat())];
    for await (const { batch } of dataset.batches(100)) {
      const [items, cates] = ['s.clicks.item', 's.clicks.cate'].map((field) => column(batch, field, 'list'));
      const at = Array.from({ length: batch.rows + 1 }, (_, row) => items!.offsets[row]!);
      expect([...cates!.offsets.subarray(0, batch.rows + 1)]).toEqual(at);
      const rows = at.slice(1).map((end, row) => [...items!.ids.subarray(at[row], end)].map((id) => texts[id]));
      const known = expected['clicks.item']!.map((row) => row.map((text) => (text === 'b|c' ? '' : text)));
      expect(rows).toEqual(known);
      expect([...cates!.ids.subarray(0, at.at(-1))]).toEqual(expected['clicks.cate']!.flat().map(Number));
    }
  });

  it('are refused as a value, with the name of a member', async () => {
    await expect(openRows(join(FOLDER, files[0]!), ['clicks'])).rejects.toThrow(
      /column "clicks": is list<struct<item: string, .*read a member, such as clicks\.item/,
    );
  });

  it('suggest the right member for a wrong one', async () => {
    await expect(openRows(join(FOLDER, files[0]!), ['clicks.itme'])).rejects.toThrow(/did you mean 'clicks.item'/);
  });

  it('come after columns whose names have a dot', async () => {
    const { csv } = await openRows(join(FOLDER, files[0]!), ['other.x', 'click']);
    expect(csv.header).toEqual(['click', 'clicks', 'other.x']);
  });
});

/** Most frequent first, then in string order. */
function vocabularyOf(texts: readonly string[]): readonly string[] {
  const known = [...new Set(texts)].filter((text) => text !== '' && text !== 'b|c');
  const count = (text: string): number => texts.filter((each) => each === text).length;
  return known.sort((a, b) => count(b) - count(a) || (a < b ? -1 : 1));
}
