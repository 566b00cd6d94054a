import { column } from '../../src/core/batch.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { taskOptions } from '../../src/core/tasks.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';

// Compares lists of lists with the values that DuckDB reads, as make.py wrote them.

type Rows = readonly (readonly (readonly string[])[])[];
const FOLDER = join(import.meta.dirname, 'parquet-nested');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.parquet'));
const expected = JSON.parse(readFileSync(join(FOLDER, 'values.json'), 'utf8')) as Record<string, Rows>;
const columns = Object.keys(expected);

function formatOf(group: object) {
  const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
  return createRowFormat({ tasks, groups: [featureTypes.schema.parse(group)] });
}

/** Reads the values of each item of a column, as texts. */
async function read(path: string, fields: readonly string[]): Promise<Record<string, string[][][]>> {
  const entries = fields.map((name) => ({ name, pooling: 'mean', encoding: 'tokens' }));
  const found: Record<string, string[][][]> = {};
  for (const entry of entries) {
    const format = formatOf({ type: 'sequence', name: 's', fields: [entry], keep: { last: 99 }, encoder: 'pooling' });
    const source = await openSource(path, dataColumns(format));
    const fitted = await source.fit(format, { policy: refuseBadRows });
    const dataset = await source.dataset(encodedFormat(format, fitted), { policy: refuseBadRows });
    const field = `s.${entry.name}`;
    const json = storedFitted(fitted).json as Readonly<Record<string, { readonly vocabulary: readonly string[] }>>;
    const { vocabulary } = json[field]!;
    for await (const { batch } of dataset.batches(100)) {
      const [counts, values] = [column(batch, `${field}.counts`, 'list'), column(batch, field, 'list')];
      let end = 0;
      for (let row = 0; row < batch.rows; row++)
        (found[entry.name] ??= []).push(
          [...counts.weights.subarray(counts.offsets[row], counts.offsets[row + 1])].map((count) =>
            [...values.ids.subarray(end, (end += count))].map((id) => vocabulary[id - 1]!),
          ),
        );
    }
    await dataset.close();
  }
  return found;
}

describe('lists of lists in Parquet', () => {
  it('are read by DuckDB and pyarrow', () => {
    expect(files).toHaveLength(6);
    for (const name of columns) {
      const items = expected[name]!.flat();
      expect(items.filter(({ length }) => length === 0).length).toBeGreaterThan(5);
      expect(items.filter(({ length }) => length > 1).length).toBeGreaterThan(20);
    }
  });

  it.each(files)('%s has the values that DuckDB reads, as items of a sequence', async (name) => {
    expect(await read(join(FOLDER, name), columns)).toEqual(expected);
  });

  it.each(files)('%s has texts in JSON', async (name) => {
    const { csv } = await openRows(join(FOLDER, name), columns);
    const texts: Record<string, unknown[]> = Object.fromEntries(columns.map((each) => [each, []]));
    for await (const piece of csv.pieces()) {
      if (!('columns' in piece)) throw new Error('expected columns');
      for (const each of columns)
        for (let row = 0; row < piece.rows; row++) texts[each]!.push(JSON.parse(piece.columns.get(each)!.text(row)));
    }
    expect(texts).toEqual(expected);
  });

  it.each([
    [{ type: 'bag', fields: ['tags'], encoding: 'tokens' }, /flatten it: a bag is one list per row/],
    [
      { type: 'sequence', fields: [{ name: 'tags', encoding: 'tokens' }], encoder: 'pooling' },
      /expected one id per item, not a list.*set pooling: mean/,
    ],
    [
      { type: 'sequence', fields: [{ name: 'clicks.item', pooling: 'sum' }], encoder: 'pooling' },
      /expected a list of lists.*or remove pooling/,
    ],
  ])('are refused as other lists, and other lists for them: %j', async (group, message) => {
    const format = formatOf(group);
    const source = await openSource(join(FOLDER, files[0]!), dataColumns(format));
    await expect(source.fit(format, { policy: refuseBadRows })).rejects.toThrow(message);
  });

  it('are refused at three levels, and as a value', async () => {
    await expect(openRows(join(FOLDER, files[0]!), ['deep'])).rejects.toThrow(
      /column "deep": is list<list<list<string>>>.*write its items as lists of strings or of integers/,
    );
    await expect(openRows(join(FOLDER, files[0]!), ['clicks'])).rejects.toThrow(/read a member, such as clicks\.item/);
  });
});
