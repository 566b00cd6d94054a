/** @module-tag long */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluate.js';
import { predict, type PredictOptions } from '../../src/predict.js';
import { openCursorFile } from '../../src/predict/cursor-file.js';
import { reportOf } from '../support/measured.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

/** A world and a run of it, for all of this file. */
let world: string;
let run: string;
let test: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-predict-'));
  run = join(world, 'run');
  test = join(world, 'test.csv');
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: run, set: ['training.epochs=1'] });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

const predictInto = (out: string, options: Partial<PredictOptions> = {}) =>
  predict({
    path: run,
    data: test,
    keep: [],
    prefix: '',
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...options,
    out,
  });

type Rows = readonly Readonly<Record<string, string>>[];
const readCsv = (path: string): Rows =>
  parse(path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path), { columns: true });

const bytesOf = (path: string): ArrayBuffer => Uint8Array.from(readFileSync(path)).buffer;

/** Rows of any format as texts, a prediction as the float that it is. */
async function read(path: string): Promise<Rows> {
  if (path.endsWith('.parquet')) return (await parquetReadObjects({ file: bytesOf(path) })) as never;
  if (path.endsWith('.jsonl'))
    return readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as never);
  return readCsv(path);
}

describe('mtl predict', () => {
  it.each(['.csv', '.csv.gz', '.jsonl', '.parquet'])(
    'writes %s whose AUC is that of mtl eval, to the last bit',
    async (ending) => {
      const out = join(scratchFolder(), `out${ending}`);
      const { rows, columns } = await predictInto(out, { keep: ['click', 'purchase'] });
      expect([rows, columns]).toEqual([300, ['click', 'purchase', 'ctr', 'cvr', 'ctcvr']]);
      const { metrics } = await evaluate({
        path: run,
        data: test,
        device: 'cpu',
        threads: 1,
        onWarning: () => undefined,
        signal: new AbortController().signal,
      });
      const scored = await read(out);
      const aucOf = (output: string, label: string, where: (row: Rows[number]) => boolean = () => true): unknown => {
        const chosen = scored.filter(where);
        const column = (name: string): Float32Array => Float32Array.from(chosen, (row) => Number(row[name]));
        return reportOf({}, { labels: column(label), predictions: column(output) })['y']!['auc'];
      };
      expect(aucOf('ctr', 'click')).toBe(metrics['test']!['ctr']!['auc']);
      expect(aucOf('cvr', 'purchase', ({ click }) => click === '1')).toBe(metrics['test']!['cvr']!['auc']);
      expect(aucOf('ctcvr', 'purchase')).toBe(metrics['test']!['ctcvr']!['auc']);
    },
  );

  it('keeps the row order, requires no labels, and leaves only its output', async () => {
    const folder = scratchFolder();
    const rows = readCsv(test);
    const names = ['205', '206', '101', '121', '122'];
    writeFileSync(
      join(folder, 'new.csv'),
      [names.join(','), ...rows.map((row) => names.map((name) => row[name]).join(',')), ''].join('\n'),
    );
    await predictInto(join(folder, 'out.csv'), { data: join(folder, 'new.csv'), keep: ['all'] });
    expect(readdirSync(folder).sort()).toEqual(['new.csv', 'out.csv']);
    await predictInto(join(folder, 'labeled.csv'));
    const scored = readCsv(join(folder, 'out.csv'));
    expect(scored.map((row) => names.map((name) => row[name]))).toEqual(
      rows.map((row) => names.map((name) => row[name])),
    );
    expect(scored.map(({ ctcvr }) => ctcvr)).toEqual(readCsv(join(folder, 'labeled.csv')).map(({ ctcvr }) => ctcvr));
  });

  it('gives the same predictions and values for CSV, Parquet and shards', async () => {
    const folder = scratchFolder();
    const keep = ['click', '101', '205'];
    await predictInto(join(folder, 'csv.csv'), { keep });
    await predictInto(join(folder, 'all.parquet'), { keep: ['all'] });
    await predictInto(join(folder, 'parquet.csv'), { keep, data: join(folder, 'all.parquet'), prefix: '' });
    expect(readFileSync(join(folder, 'parquet.csv'), 'utf8')).toBe(readFileSync(join(folder, 'csv.csv'), 'utf8'));
    // What training kept of test.csv is shards, whose ids are the encoding's.
    const kept = readdirSync(join(world, '.mtl')).find((name) => name.startsWith('test.csv.rows'))!;
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(folder, 'run'),
      set: ['training.epochs=1', 'features.item.encoding={name: ids, sizes: {205: 1000, 206: 1000}}'],
    });
    await predictInto(join(folder, 'shards.csv'), {
      path: join(folder, 'run'),
      keep: ['click', '101'],
      data: join(world, '.mtl', kept),
    });
    expect(readCsv(join(folder, 'shards.csv')).map((row) => [row['click'], row['101']])).toEqual(
      readCsv(test).map((row) => [row['click'], row['101']]),
    );
  });

  it('with a cursor predicts each row once, although the file grows', async () => {
    const folder = scratchFolder();
    const [data, cursor] = [join(folder, 'in.csv'), join(folder, 'cursor.json')];
    const lines = readFileSync(test, 'utf8').split(/(?<=\n)/);
    await predictInto(join(folder, 'whole.csv'), { keep: ['101'] });
    const outputs: string[] = [];
    for (const [end, numRows] of [
      [101, 100],
      [101.5, 0],
      [lines.length, lines.length - 101],
      [lines.length, 0],
    ] as const) {
      const half = lines[Math.floor(end)]?.slice(0, 5) ?? '';
      writeFileSync(data, lines.slice(0, Math.floor(end)).join('') + (end % 1 > 0 ? half : ''));
      const out = join(folder, 'out.csv');
      expect((await predictInto(out, { data, cursor, keep: ['101'] })).rows).toBe(numRows);
      outputs.push(readFileSync(out, 'utf8').replace('101,ctr,cvr,ctcvr\n', ''));
    }
    expect(`101,ctr,cvr,ctcvr\n${outputs.join('')}`).toBe(readFileSync(join(folder, 'whole.csv'), 'utf8'));
    writeFileSync(data, lines.slice(0, 50).join(''));
    await expect(predictInto(join(folder, 'out.csv'), { data, cursor })).rejects.toThrow(
      /in\.csv:302: changed after it was read: it ends at byte \d+, before byte \d+; restore the file/,
    );
    await expect(openCursorFile(cursor, { files: ['-'] })).rejects.toThrow(
      '--cursor: does not apply to -, which is a stream; save the rows to a file, or remove --cursor',
    );
    writeFileSync(cursor, '7');
    await expect(predictInto(join(folder, 'out.csv'), { data, cursor })).rejects.toThrow(
      'cursor.json: is not a cursor: expected positions by path; remove it to read all rows again',
    );
  });

  it('writes only a header if there are no rows', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'in.csv'), '101,121,122,205,206\n');
    expect((await predictInto(join(folder, 'out.csv'), { data: join(folder, 'in.csv'), keep: ['205'] })).rows).toBe(0);
    expect(readFileSync(join(folder, 'out.csv'), 'utf8')).toBe('205,ctr,cvr,ctcvr\n');
    await predictInto(join(folder, 'out.parquet'), { data: join(folder, 'in.csv') });
    expect(await read(join(folder, 'out.parquet'))).toEqual([]);
  });

  it('with --top writes the top rows of each group, in order of appearance, with ties in input order', async () => {
    const out = join(scratchFolder(), 'out.csv');
    await predictInto(out, { keep: ['all'] });
    const rows = readCsv(out);
    const groups = [...new Set(rows.map((row) => row['101']!))];
    for (const rank of [undefined, 'ctr']) {
      const notices: string[] = [];
      await predictInto(out, {
        keep: ['205'],
        top: { count: 3, by: '101', rank },
        onWarning: (text) => notices.push(text),
      });
      const score = (row: Rows[number]): number => Number(row[rank ?? 'ctcvr']);
      const best = groups.flatMap((group) =>
        rows
          .filter((row) => row['101'] === group)
          .sort((a, b) => score(b) - score(a))
          .slice(0, 3),
      );
      expect(readCsv(out)).toEqual(
        best.map((row) => ({
          101: row['101'],
          205: row['205'],
          ctr: row['ctr'],
          cvr: row['cvr'],
          ctcvr: row['ctcvr'],
        })),
      );
      expect(notices).toContain(`the 3 rows of each 101 with the highest ${rank ?? 'ctcvr'}`);
    }
    const same = join(scratchFolder(), 'same.csv');
    const [header, first] = readFileSync(test, 'utf8').split('\n') as [string, string];
    writeFileSync(same, `${header},n\n${Array.from({ length: 9 }, (_, i) => `${first},${i}\n`).join('')}`);
    await predictInto(out, { data: same, keep: ['n'], top: { count: 4, by: '101' } });
    expect(readCsv(out).map(({ n }) => n)).toEqual(['0', '1', '2', '3']);
  });
});

describe('an invalid row', () => {
  const withBadRow = (): string => {
    const path = join(scratchFolder(), 'bad.csv');
    const lines = readFileSync(test, 'utf8').split('\n');
    lines.splice(3, 0, lines[1]!.replace(/^(\d,\d,)\d+/, '$1x'), '1,0');
    writeFileSync(path, lines.join('\n'));
    return path;
  };

  it('is an error with its location and the option that fixes it, and keeps the existing file', async () => {
    const out = join(scratchFolder(), 'out.csv');
    writeFileSync(out, 'before');
    await expect(predictInto(out, { data: withBadRow() })).rejects.toThrow(
      /bad\.csv:4: column "101": expected an integer id.*--on-bad-row skip/,
    );
    expect(readFileSync(out, 'utf8')).toBe('before');
    expect(readdirSync(join(out, '..'))).toEqual(['out.csv']);
  });

  it.each(['.csv', '.jsonl', '.parquet'])(
    'that is skipped keeps its cells and has an empty prediction (%s), and is none of the best',
    async (ending) => {
      const folder = scratchFolder();
      const out = join(folder, `out${ending}`);
      const options = { data: withBadRow(), keep: ['101', '121'], onBadRow: 'skip' as const };
      const { rows, rejectedRows: numRejects } = await predictInto(out, options);
      expect([rows, numRejects]).toEqual([302, 2]);
      const scored = await read(out);
      const empty = ending === '.csv' ? '' : null;
      expect(scored).toHaveLength(302);
      expect(scored[2]).toMatchObject({ 101: 'x', ctr: empty, cvr: empty, ctcvr: empty });
      const missing = ending === '.parquet' ? null : '';
      expect(scored[3]).toEqual({ 101: missing, 121: missing, ctr: empty, cvr: empty, ctcvr: empty });
      expect(scored.filter(({ ctr }) => ctr !== empty)).toHaveLength(300);
      await predictInto(out, { ...options, top: { count: 5, by: '101' } });
      expect((await read(out)).filter((row) => row['101'] === 'x')).toEqual([]);
    },
  );

  it('with a non-finite prediction is an error with row and column, or has an empty prediction', async () => {
    const folder = scratchFolder();
    const [path, out, other] = ['large.csv', 'out.csv', 'run'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: other,
      set: ['training.epochs=1', 'features.numbers={ type: numeric, fields: [D508], scaling: standard }'],
    });
    const lines = readFileSync(test, 'utf8').trimEnd().split('\n').slice(0, 7);
    const number = lines[0]!.split(',').indexOf('D508');
    const cells = lines[5]!.split(',');
    cells[number] = '3e38';
    lines[5] = cells.join(',');
    // A row that cannot be read, before it.
    lines.splice(2, 0, '1,0');
    writeFileSync(path, lines.join('\n'));
    const good = lines.filter((_, i) => i !== 2);
    writeFileSync(join(folder, 'good.csv'), good.join('\n'));
    await expect(predictInto(out, { path: other, data: join(folder, 'good.csv') })).rejects.toMatchObject({
      kind: 'data',
      problems: [
        {
          where: 'row 5 of the data',
          message: expect.stringMatching(
            /prediction of .*cvr.* is not finite, because column "D508" is too large/,
          ) as string,
        },
      ],
    });
    const { rows, rejectedRows: numRejects } = await predictInto(out, { path: other, data: path, onBadRow: 'skip' });
    expect([rows, numRejects]).toEqual([7, 2]);
    expect(readCsv(out).map(({ ctr }) => ctr === '')).toEqual([false, true, false, false, false, true, false]);
  });

  it('beyond data.maxRejects is an error', async () => {
    const other = join(scratchFolder(), 'run');
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: other,
      set: ['training.epochs=1', 'data.onBadRow=skip', 'data.maxRejects=1'],
    });
    await expect(predictInto(join(scratchFolder(), 'out.csv'), { path: other, data: withBadRow() })).rejects.toThrow(
      /invalid row 2 exceeds data\.maxRejects: 1/,
    );
  });
});

describe('output that cannot be written', () => {
  it.each([
    ['a column that is not there', { keep: ['clik'] }, /column "clik": is not in the data; did you mean 'click'\?/],
    ['a group that is not there', { top: { count: 1, by: 'usr' } }, /column "usr": is not in the data/],
    [
      'a prediction that is none',
      { top: { count: 1, by: '101', rank: 'ctvr' } },
      /expected one of ctr, cvr, ctcvr, found "ctvr"; did you mean/,
    ],
  ])('%s is told with what there is', async (_, options, message) => {
    await expect(predictInto(join(scratchFolder(), 'out.csv'), options)).rejects.toThrow(message);
  });

  it('is a prediction and a kept column with the same name, unless predictions are renamed', async () => {
    const folder = scratchFolder();
    const data = join(folder, 'in.csv');
    await predictInto(data, { keep: ['all'] });
    await expect(predictInto(join(folder, 'out.csv'), { data, keep: ['all'] })).rejects.toThrow(
      /column "ctr": is also the name of a prediction; .*--prefix predicted_/,
    );
    await predictInto(join(folder, 'out.csv'), { data, keep: ['all'], prefix: 'new_' });
    expect(readCsv(join(folder, 'out.csv')).every((row) => row['ctr'] === row['new_ctr'])).toBe(true);
  });

  it('is reported before anything is read: an extension, a directory, the data itself', async () => {
    const folder = scratchFolder();
    await expect(predictInto(join(folder, 'out.txt'))).rejects.toThrow(
      /expected a file name that ends in \.csv, .*; use .*out\.csv/,
    );
    await expect(predictInto(join(folder, 'out.parquet.gz'))).rejects.toThrow(/expected a file name that ends in/);
    mkdirSync(join(folder, 'folder.csv'));
    await expect(predictInto(join(folder, 'folder.csv'))).rejects.toThrow(
      /folder\.csv: is a directory; expected a file/,
    );
    await expect(predictInto(test)).rejects.toThrow(/--out: is also the input data/);
    expect(existsSync(join(folder, 'out.txt'))).toBe(false);
  });

  it('names the column that the model lacks', async () => {
    const data = join(scratchFolder(), 'in.csv');
    writeFileSync(data, '101,121,205\n1,2,3\n');
    await expect(predictInto(join(scratchFolder(), 'out.csv'), { data })).rejects.toThrow(
      /column "122"(.|\n)*column "206"/,
    );
  });
});

describe('a stop', () => {
  it('leaves no output', async () => {
    const folder = scratchFolder();
    const controller = new AbortController();
    const stopping = predictInto(join(folder, 'out.csv'), {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(stopping).rejects.toThrow('enough');
    expect(readdirSync(folder)).toEqual([]);
  });
});
