/** @module-tag nightly */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predict } from '../../src/predict.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
/** Cells of the columns that the model reads. */
let inputs: readonly (readonly string[])[];
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-fuzz-'));
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: join(world, 'run'), set: ['training.epochs=1'] });
  inputs = parse(readFileSync(join(world, 'test.csv')));
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

/** What is hard on whoever writes or reads a CSV, beside any text. */
const hard = fc
  .array(
    fc.constantFrom(
      '"',
      '""',
      ',',
      ';',
      '\t',
      '\n',
      '\r\n',
      '\r',
      ' ',
      "'",
      '\\',
      '|',
      'é',
      '東',
      '😀',
      '🏿',
      '\u001f',
      '\u2028',
      '{',
      'null',
      '0',
      '1e5',
      '',
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));
const cell = fc.oneof(hard, fc.string({ unit: 'grapheme', maxLength: 20 }));

async function rowsOf(path: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  if (path.endsWith('.parquet')) return parquetReadObjects({ file: Uint8Array.from(readFileSync(path)).buffer });
  if (path.endsWith('.jsonl'))
    return readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return parse(path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path), { columns: true });
}

describe('columns that mtl predict keeps', () => {
  it.each(['.csv', '.csv.gz', '.jsonl', '.parquet'])(
    'are in %s what any cells were, row by row, wherever a bad row stands',
    async (ending) => {
      const [header, ...all] = inputs as [readonly string[], ...(readonly string[])[]];
      const rows = fc.array(fc.record({ note: cell, other: cell, isBad: fc.boolean() }), {
        minLength: 1,
        maxLength: 30,
      });
      await fc.assert(
        fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), fc.boolean(), async (cells, recordDelimiter, quoted) => {
          const lines = cells.map(({ note, other, isBad }, i) => [
            note,
            ...all[i]!.map((text, c) => (isBad && header[c] === '101' ? 'bad' : text)),
            other,
          ]);
          const [data, out] = [join(world, 'in.csv'), join(world, `out${ending}`)];
          writeFileSync(
            data,
            stringify([['note', ...header, 'other'], ...lines], {
              record_delimiter: recordDelimiter,
              quoted,
              quoted_match: /[\r\n]/,
            }),
          );
          const { rows: numRows } = await predict({
            path: join(world, 'run'),
            data,
            out,
            keep: ['note', 'other', '101'],
            prefix: '',
            onBadRow: 'skip',
            device: 'cpu',
            threads: 1,
            onWarning: () => undefined,
            signal: new AbortController().signal,
          });
          expect(numRows).toBe(cells.length);
          const found = await rowsOf(out);
          const kept = (text: string | undefined) => (text === '' && ending === '.parquet' ? null : text);
          expect(found.map(({ note, other, 101: user }) => [note, other, user])).toEqual(
            lines.map((line) => [line[0], line.at(-1), line[1 + header.indexOf('101')]].map(kept)),
          );
          for (const [i, { ctcvr }] of found.entries())
            expect(ctcvr === null || ctcvr === '' || ctcvr === undefined).toBe(cells[i]!.isBad);
        }),
        { numRuns: 40 },
      );
    },
    120_000,
  );
});
