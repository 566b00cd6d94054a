/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { openCsv } from '../../src/data/files/csv.js';
import { scratchFile } from '../support/scratch.js';

const found = async (text: string): Promise<readonly [string, readonly string[]]> => {
  const { dialect, header } = await openCsv(scratchFile('data.csv', text));
  return [dialect!.delimiter, header];
};

describe('the delimiter of a CSV', () => {
  it.each<[string, string, string, string[]]>([
    ['commas', 'a,b\n1,2\n', ',', ['a', 'b']],
    ['semicolons, with commas in its numbers', 'a;b\n1,5;2,5\n', ';', ['a', 'b']],
    ['tabs', 'a\tb c\n1\t2\n', '\t', ['a', 'b c']],
    ['pipes', 'a|b\n1|2\n', '|', ['a', 'b']],
    ['bags with pipes in its rows', 'a,b\n1,2|3\n4,5|6\n', ',', ['a', 'b']],
    ['a pipe in a name, and none in the rows', 'a,b|c\n1,2\n3,4\n', ',', ['a', 'b|c']],
    ['other delimiters in quotes', '"a,b";"c|d"\n"1,2";3\n', ';', ['a,b', 'c|d']],
    ['rows that are not as wide as the header', 'a;b\n1\n2;3;4\n5\n', ';', ['a', 'b']],
    ['one column', 'a\n1,2\n', ',', ['a']],
    [
      'a semicolon in every name, where most rows have as many cells as there are commas',
      'a;x,b;y\n1,2\n3,4\n5;6,7;8\n',
      ',',
      ['a;x', 'b;y'],
    ],
  ])('is found in a file with %s', async (_, text, delimiter, header) => {
    expect(await found(text)).toEqual([delimiter, header]);
  });

  it.each<[string, string, string]>([
    ['rows that both take apart alike', 'a;x,b\n1;2,3\n', '"," (2 columns) or ";" (2 columns)'],
    ['nothing but a header that both take apart', 'a|x\tb|y\n', '"\\t" (2 columns) or "|" (3 columns)'],
  ])('is asked for where a file has %s', async (_, text, told) => {
    await expect(found(text)).rejects.toThrow(
      `data.csv:1: data.delimiter: expected one delimiter, found several candidates: ${told}; set it, for example delimiter: `,
    );
    await expect(found(text)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.each<[string, string]>([
    ['numbers and lists', '1,7,a|b|c\n0,8,a|c|d\n'],
    ['words that are there again, and lists', 'u1,DE,a|b\nu2,DE,a|c\nu1,FR,b|c\n'],
  ])('is not asked for where a file without a header has rows of %s', async (_, text) => {
    await expect(found(text)).rejects.toThrow(
      /data\.csv:1: expected a header .*, which looks like a row; .*header: false .*data\.delimiter: ","; if this is a header/,
    );
  });

  it('is found in the same bytes, however they are read', async () => {
    const path = scratchFile(
      'data.csv',
      `${Array.from({ length: 30_000 }, (_, i) => `name${i}`).join(';')}\n${'1;'.repeat(29_999)}1,5\n`,
    );
    for (const chunkBytes of [1 << 10, 1 << 16, 1 << 20])
      expect((await openCsv(path, {}, chunkBytes)).header).toHaveLength(30_000);
  });
});
