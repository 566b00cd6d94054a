import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseDialect, dialectShape, ENCODINGS } from '../../src/data/dialect.js';
import { openRows } from '../../src/data/readers/open-rows.js';
import { readRows } from '../support/read-rows.js';
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
    const dialect = parseDialect(z.strictObject(dialectShape).parse((parse(yaml) as { data: unknown }).data));
    const source = await openRows(scratchFile('data', file), header!, dialect);
    expect(source.csv.header).toEqual(header);
    const numbers = dialect.decimal === ',' ? ['price'] : [];
    const found = await readRows(source, header!, { numbers });
    expect(found.map((cells) => cells.map(String))).toEqual(rows);
  });

  it('has an example of every key and lists every encoding', () => {
    const keys = examples.flatMap(({ yaml }) => Object.keys((parse(yaml) as { data: object }).data));
    expect(new Set([...keys, 'encoding'])).toEqual(new Set(Object.keys(dialectShape)));
    for (const name of ENCODINGS.filter((each) => each !== 'utf-8')) expect(page).toContain(name);
  });
});
