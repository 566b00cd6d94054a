import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { dialectOf, dialectShape, ENCODINGS } from '../../src/data/dialect.js';
import { readRows } from '../../src/data/encoding/fill-blocks.js';
import { columnIndices } from '../../src/data/files/column-indices.js';
import { openRows } from '../../src/data/files/open-rows.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { rowFormatOf } from '../../src/data/rows/row-format.js';
import { parseNumber } from '../../src/features/parse.js';
import { scratchFile } from '../support/scratch.js';

const page = readFileSync('docs/reference/text-formats.md', 'utf8');
const examples = [...page.matchAll(/```yaml\n(.*?)```\n```text\n(.*?)```\n\n(\|.*?\n)\n/gs)].map(
  ([, yaml, file, table]) => ({
    yaml: yaml!,
    file: file!,
    rows: table!
      .trim()
      .split('\n')
      .map((line) =>
        line
          .slice(2, -2)
          .split(' | ')
          .map((cell) => cell.trim()),
      ),
  }),
);

describe('docs/reference/text-formats.md', () => {
  it.each(examples)('has an example with readable rows: $yaml', async ({ yaml, file, rows: [header, , ...rows] }) => {
    const dialect = dialectOf(z.strictObject(dialectShape).parse((parse(yaml) as { data: unknown }).data));
    const source = await openRows(scratchFile('data', file), header!, dialect);
    expect(source.csv.header).toEqual(header);
    const found: string[][] = [];
    const row: string[] = [];
    const readers = header!.map((name, c) => ({
      columns: [name],
      read: (text: string) => void (row[c] = text),
      ...(name === 'price' &&
        dialect.decimal === ',' && {
          read: (text: string) => void (row[c] = String(parseNumber(text))),
          direct: { cell: 'number' as const, encode: undefined, into: new Float64Array(9) },
        }),
    }));
    const format = {
      ...rowFormatOf({ tasks: [], groups: [] }),
      rules: [{ columns: [], start: () => ({ readers: [], settle: () => void found.push([...row]) }) }],
    };
    await readRows(
      { ...source, indices: columnIndices(source.csv, header!) },
      {
        format,
        readers,
        block: { rows: 0, labels: new Map() },
        capacity: 9,
        policy: refuseBadRows,
        onBlock: () => undefined,
        onShare: () => undefined,
      },
    );
    expect(found).toEqual(rows);
  });

  it('has an example of every key and lists every encoding', () => {
    const keys = examples.flatMap(({ yaml }) => Object.keys((parse(yaml) as { data: object }).data));
    expect(new Set([...keys, 'encoding'])).toEqual(new Set(Object.keys(dialectShape)));
    for (const name of ENCODINGS.filter((each) => each !== 'utf-8')) expect(page).toContain(name);
  });
});
