/** @module-tag long */
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
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/load.js';
import { codeBlocks } from '../support/code-blocks.js';
import { writeDays } from '../support/drifting-days.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const page = readFileSync('docs/how-to/warm-start.md', 'utf8');
const daily = readFileSync('docs/how-to/train-daily.md', 'utf8');
const blocks = (text: string, language: string): readonly string[] =>
  codeBlocks(text).flatMap((block) => (block.language === language ? [block.text] : []));
/** The part of the page before its first section: the nightly script and its config. */
const nightly = daily.slice(0, daily.indexOf('\n## '));
const [command] = blocks(page, 'sh') as [string];
const [keys] = blocks(page, 'yaml') as [string];
const [script] = blocks(nightly, 'sh') as [string];
const [config] = blocks(nightly, 'yaml') as [string];
/** Replaces paths by those of the installed package. */
const asBuilt = (text: string): string => text.replaceAll('npx mtl', `${process.execPath} ${BIN}`);
const DAYS = ['2026-11-01', '2026-11-02', '2026-11-03'];

/** Creates a directory with the logs of some days and the configs of the page. */
function shop(): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'));
  writeDays(folder, DAYS.length, 4, 400);
  for (const [i, day] of DAYS.entries()) copyFileSync(join(folder, `day-${i}.csv`), join(folder, 'logs', `${day}.csv`));
  for (const name of ['config', 'daily']) writeFileSync(join(folder, `${name}.yaml`), config);
  return folder;
}
const shell = (
  cwd: string,
  text: string,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
  spawnSync('sh', ['-c', text], { cwd, encoding: 'utf8' });

describe('pages on warm starts', () => {
  it('have an example of each feature', () => {
    const count = (text: string): readonly number[] => ['sh', 'yaml'].map((each) => blocks(text, each).length);
    expect([page, nightly].map(count)).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('show the keys with their defaults', () => {
    const initFrom = (parse(keys) as { initFrom: { checkpoint: string } }).initFrom;
    const parsed = parseConfig(`${config}\ninitFrom: { checkpoint: ${initFrom.checkpoint} }`, 'config.yaml').initFrom!;
    expect({ ...parsed, checkpoint: initFrom.checkpoint }).toEqual(initFrom);
    for (const key of Object.keys(initFrom).slice(1)) expect(page).toContain(`| \`${key}\` |`);
  });

  it('have a command that starts from the latest run', async () => {
    const cwd = shop();
    expect((await mtl(cwd, ['train', 'config.yaml'])).code).toBe(0);
    expect(shell(cwd, asBuilt(command))).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/starting from runs\/config\/001\/checkpoints\/step-/) as string,
    });
  });

  it('have a nightly job that works, and can be repeated after a failure or a second start', () => {
    const cwd = shop();
    const night = (day: string): ReturnType<typeof shell> => shell(cwd, `./nightly.sh ${day}`);
    writeFileSync(join(cwd, 'nightly.sh'), asBuilt(script));
    chmodSync(join(cwd, 'nightly.sh'), 0o755);
    const [first, second, third] = DAYS as [string, string, string];
    expect(night(first)).toMatchObject({ status: 0, stdout: expect.not.stringContaining('starting from') as string });
    rmSync(join(cwd, 'model.onnx'));

    const log = join(cwd, 'logs', `${second}.csv`);
    const rows = readFileSync(log, 'utf8');
    writeFileSync(log, rows.replace(/\n$/, '\n3,item-7,oops,0,0\n'));
    expect(night(second)).toMatchObject({ status: 3 });
    expect(existsSync(join(cwd, 'model.onnx'))).toBe(false);
    writeFileSync(log, rows);
    const mended = night(second);
    expect(mended).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/starting from runs\/daily\/2026-11-01\//) as string,
    });
    expect(existsSync(join(cwd, 'model.onnx'))).toBe(true);

    // An experiment moves runs/latest, but no channel.
    expect(shell(cwd, asBuilt('npx mtl train config.yaml --set data.train=logs/2026-11-02.csv')).status).toBe(0);
    expect(readlinkSync(join(cwd, 'runs/latest'))).toBe('config/001');
    const next = night(third);
    expect(next).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^prod {2}.*runs\/daily\/2026-11-02.*\n +ctr\.logLoss .* 400 paired rows of logs\/2026-11-03\.csv\n[^]*starting from runs\/daily\/2026-11-02\//,
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
