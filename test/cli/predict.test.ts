/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, mtl } from '../support/mtl.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-predict-'));
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: join(world, 'run'), set: ['training.epochs=1'] });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

describe('mtl predict', () => {
  it('writes to a file and prints a summary, with --json as one object', async () => {
    const { code, stdout, stderr } = await mtl(world, [
      'predict',
      'run',
      '--data',
      'test.csv',
      '--out',
      'new/out.csv',
      '--keep',
      '101',
      '205',
      '--json',
    ]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^300 rows in .* rows\/s\), written to new\/out\.csv: 101, 205, ctr, cvr, ctcvr\n$/),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      run: 'run',
      out: 'new/out.csv',
      rows: 300,
      columns: ['101', '205', 'ctr', 'cvr', 'ctcvr'],
      rejectedRows: 0,
    });
    expect(readFileSync(join(world, 'new', 'out.csv'), 'utf8')).toMatch(
      /^101,205,ctr,cvr,ctcvr\n\d+,\d+,0\.\d+,0\.\d+,0\.\d+\n/,
    );
  });

  it('with --out - writes CSV to standard output and everything else to standard error', async () => {
    const { code, stdout, stderr } = await mtl(world, ['predict', 'run', '--data', 'test.csv', '--out', '-']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^300 rows/)]);
    expect(stdout).toMatch(/^ctr,cvr,ctcvr\n(0\.\d+,0\.\d+,0\.\d+\n){300}$/);
  });

  it('exits cleanly if the reader closes the pipe', () => {
    const { status, stdout, stderr } = spawnSync(
      'bash',
      [
        '-c',
        'set -o pipefail; "$0" "$1" predict run --data train.csv --out - --keep all | head -1',
        process.execPath,
        BIN,
      ],
      { cwd: world, encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(stdout).toMatch(/^[^\n]*,ctr,cvr,ctcvr\n$/);
  });

  it.each([
    [['--top', '3'], '--top: requires a group column; add it, as in --group-by user'],
    [
      ['--rank-by', 'ctr'],
      '--rank-by: requires --top; add the number of rows per group, as in --top 10 --group-by user',
    ],
    [
      ['--out', '-', '--json'],
      '--json: conflicts with --out -, which writes the rows to standard output; write the rows to a file, ' +
        'or remove --json',
    ],
    [['--keep', 'usr'], 'column "usr": is not in the data'],
  ])('with %j names the missing option', async (args, message) => {
    const { code, stderr } = await mtl(world, [
      'predict',
      'run',
      '--data',
      'test.csv',
      ...(args.includes('--out') ? [] : ['--out', 'none.csv']),
      ...args,
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(existsSync(join(world, 'none.csv'))).toBe(false);
  });
});
