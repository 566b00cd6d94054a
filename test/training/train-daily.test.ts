/** @module-tag long */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/code-blocks.js';
import { writeDays } from '../support/drifting-days.js';
import { BIN } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const blocks = codeBlocks(readFileSync('docs/how-to/train-daily.md', 'utf8'));
const blockOf = (language: string): string => {
  const [block, ...others] = blocks.filter((each) => each.language === language);
  expect([block === undefined, others]).toEqual([false, []]);
  return block!.text;
};
/** As they would be found where the package is installed. */
const asBuilt = (text: string): string => text.replaceAll('npx mtl', `${process.execPath} ${BIN}`);
const DAYS = ['2026-11-01', '2026-11-02', '2026-11-03'];

const shell = (
  cwd: string,
  text: string,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
  spawnSync('sh', ['-c', text], { cwd, encoding: 'utf8' });

describe('docs/how-to/train-daily.md', () => {
  it('has a nightly job that can be repeated after a failure or a second start', () => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, 'logs'));
    writeDays(cwd, DAYS.length, 4, 400);
    for (const [i, day] of DAYS.entries()) copyFileSync(join(cwd, `day-${i}.csv`), join(cwd, 'logs', `${day}.csv`));
    for (const name of ['config', 'daily']) writeFileSync(join(cwd, `${name}.yaml`), blockOf('yaml'));
    const night = (day: string): ReturnType<typeof shell> => shell(cwd, `./nightly.sh ${day}`);
    writeFileSync(join(cwd, 'nightly.sh'), asBuilt(blockOf('sh')));
    chmodSync(join(cwd, 'nightly.sh'), 0o755);
    const [first, second, third] = DAYS as [string, string, string];
    expect(night(first)).toMatchObject({ status: 0, stdout: expect.not.stringContaining('starts from') as string });
    rmSync(join(cwd, 'model.onnx'));

    const log = join(cwd, 'logs', `${second}.csv`);
    const rows = readFileSync(log, 'utf8');
    writeFileSync(log, rows.replace(/\n$/, '\n3,item-7,oops,0,0\n'));
    expect(night(second)).toMatchObject({ status: 3 });
    expect(existsSync(join(cwd, 'model.onnx'))).toBe(false);
    writeFileSync(log, rows);
    expect(night(second)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/starts from runs\/daily\/2026-11-01\//) as string,
    });
    expect(existsSync(join(cwd, 'model.onnx'))).toBe(true);

    // An experiment moves runs/latest, and no channel.
    expect(shell(cwd, asBuilt('npx mtl train config.yaml --set data.train=logs/2026-11-02.csv')).status).toBe(0);
    expect(readlinkSync(join(cwd, 'runs/latest'))).toBe('config/001');
    expect(night(third)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^prod {2}.*runs\/daily\/2026-11-02.*\n +ctr\.logLoss .* 400 paired rows of logs\/2026-11-03\.csv\n[^]*starts from runs\/daily\/2026-11-02\//,
      ) as string,
    });
    expect(readlinkSync(join(cwd, 'runs/channels/nightly'))).toBe(`../daily/${third}`);
    const weights = (): string =>
      readFileSync(join(cwd, 'runs/daily', third, 'checkpoints/best/manifest.json'), 'utf8');
    const before = weights();
    expect(night(third)).toMatchObject({ status: 0 });
    expect(weights()).toBe(before);
  }, 240_000);
});
