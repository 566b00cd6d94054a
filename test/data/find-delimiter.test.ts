/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { openCsv } from '../../src/data/readers/csv.js';
import { scratchFile } from '../support/scratch.js';

const found = async (text: string): Promise<readonly [string, readonly string[]]> => {
  const { dialect, header } = await openCsv(scratchFile('data.csv', text));
  return [dialect!.delimiter, header];
};

describe('delimiter detection', () => {
  it.each<[string, string, string, string[]]>([
    ['commas', 'a,b\n1,2\n', ',', ['a', 'b']],
    ['semicolons, with decimal commas', 'a;b\n1,5;2,5\n', ';', ['a', 'b']],
    ['tabs', 'a\tb c\n1\t2\n', '\t', ['a', 'b c']],
    ['pipes', 'a|b\n1|2\n', '|', ['a', 'b']],
    ['bags with pipes in its rows', 'a,b\n1,2|3\n4,5|6\n', ',', ['a', 'b']],
    ['a pipe in a name, but not in the rows', 'a,b|c\n1,2\n3,4\n', ',', ['a', 'b|c']],
    ['other delimiters in quotes', '"a,b";"c|d"\n"1,2";3\n', ';', ['a,b', 'c|d']],
    ['rows of other widths than the header', 'a;b\n1\n2;3;4\n5\n', ';', ['a', 'b']],
    ['one column', 'a\n1,2\n', ',', ['a']],
    [
      'a semicolon in every name, and most rows as wide as for commas',
      'a;x,b;y\n1,2\n3,4\n5;6,7;8\n',
      ',',
      ['a;x', 'b;y'],
    ],
  ])('finds the delimiter of a file with %s', async (_, text, delimiter, header) => {
    expect(await found(text)).toEqual([delimiter, header]);
  });

  it.each<[string, string, string]>([
    ['rows that both delimiters split', 'a;x,b\n1;2,3\n', '"," (2 columns) or ";" (2 columns)'],
    ['only a header that both delimiters split', 'a|x\tb|y\n', '"\\t" (2 columns) or "|" (3 columns)'],
  ])('requires data.delimiter for a file with %s', async (_, text, told) => {
    await expect(found(text)).rejects.toThrow(
      `data.csv:1: data.delimiter: expected one delimiter, found several candidates: ${told}; set it, ` +
        'for example delimiter: ',
    );
    await expect(found(text)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.each<[string, string]>([
    ['numbers and lists', '1,7,a|b|c\n0,8,a|c|d\n'],
    ['repeated words and lists', 'u1,DE,a|b\nu2,DE,a|c\nu1,FR,b|c\n'],
  ])('does not require data.delimiter for a file without a header and rows of %s', async (_, text) => {
    await expect(found(text)).rejects.toThrow(
      /data\.csv:1: expected a header .*, which looks like a row; .*header: false .*data\.delimiter: ","; if this is a header/,
    );
  });

  it('does not depend on the chunk size', async () => {
    const path = scratchFile(
      'data.csv',
      `${Array.from({ length: 30_000 }, (_, i) => `name${i}`).join(';')}\n${'1;'.repeat(29_999)}1,5\n`,
    );
    for (const chunkBytes of [1 << 10, 1 << 16, 1 << 20])
      expect((await openCsv(path, {}, [], chunkBytes)).header).toHaveLength(30_000);
  });
});
