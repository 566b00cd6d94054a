import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { columnIndices, openCsv } from '../../src/data/csv.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

async function read(content: string | Uint8Array): Promise<{ header: readonly string[]; rows: (readonly string[])[]; lines: number[] }> {
  const csv = await openCsv(scratchFile('data.csv', content));
  const rows: (readonly string[])[] = [];
  const lines: number[] = [];
  for await (const chunk of csv.rows()) {
    rows.push(...chunk.rows);
    lines.push(...chunk.lines);
  }
  return { header: csv.header, rows, lines };
}

describe('a CSV', () => {
  it.each([
    ['LF', 'a,b\n1,2\n3,4\n'],
    ['CRLF', 'a,b\r\n1,2\r\n3,4\r\n'],
    ['CR', 'a,b\r1,2\r3,4\r'],
    ['line ends mixed', 'a,b\r\n1,2\n3,4\r\n'],
    ['no line end at the end', 'a,b\n1,2\n3,4'],
    ['a byte order mark', '\ufeffa,b\n1,2\n3,4\n'],
  ])('is read with %s', async (_, content) => {
    expect(await read(content)).toEqual({ header: ['a', 'b'], rows: [['1', '2'], ['3', '4']], lines: [2, 3] });
  });

  it('knows the line on which each row ends, past empty lines and quoted line ends', async () => {
    expect((await read('a,b\n1,2\n\n"3\n3",4\n5,"6,""7"""\n')).lines).toEqual([2, 5, 6]);
  });

  it('is read whole over many reads, with the share that was read', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `${i},${'x'.repeat(i % 7)}`);
    const csv = await openCsv(scratchFile('data.csv', `a,b\n${rows.join('\n')}\n`));
    const found: string[] = [];
    const shares: number[] = [];
    for await (const { rows: chunk, progress } of csv.rows()) {
      for (const cells of chunk) found.push(cells.join(','));
      shares.push(progress);
    }
    expect(found).toEqual(rows);
    expect(shares.length).toBeGreaterThan(2);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  it.each([
    ['a quote that is never closed', 'a,b\n1,2\n"3,4\n5,6\n', /data\.csv:3: a quote is opened and never closed/],
    ['text after a quote', 'a,b\n1,"2"x\n', /data\.csv:2: something follows a closing quote/],
    ['a quote in a cell', 'a,b\n1,2"x\n', /data\.csv:2: a quote stands inside a cell/],
    ['a row without an end', `a,b\n1,2\n"${'x'.repeat(2_000_000)}`, /data\.csv:3: a row has more than 1048576 characters/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), /is compressed with gzip/],
    ['nothing in it', '', /data\.csv: is empty/],
    ['a column twice', 'a,b,a\n1,2,3\n', /data\.csv:1: column "a": stands in the header twice/],
  ])('with %s is an error with its place', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
    await expect(read(content)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.skipIf(!existsSync('/dev/null'))('that is a pipe or a device is refused, since it is read more than once', async () => {
    await expect(openCsv('/dev/null')).rejects.toThrow(/is not a file/);
  });

  it('that is not there, or is a folder, is an error that says so', async () => {
    await expect(openCsv('nowhere.csv')).rejects.toThrow('nowhere.csv: there is no such file');
    await expect(openCsv(scratchFolder())).rejects.toThrow(/is a folder/);
  });

  it('without a wanted column is an error that names all of them', async () => {
    const csv = await openCsv(scratchFile('data.csv', 'click,purchase,101\n'));
    expect(() => columnIndices(csv, ['click', 'purchse', '121'])).toThrow(/column "purchse".*did you mean 'purchase'\?(.|\n)*column "121"/);
  });
});
