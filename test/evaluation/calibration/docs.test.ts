/** @module-tag long */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { methods } from '../../../src/evaluation/calibration/options.js';
import { codeBlocks } from '../../support/code-blocks.js';
import { copyShipped } from '../../support/copy-shipped.js';
import { mtl } from '../../support/mtl.js';
import { scratchFolder } from '../../support/scratch.js';
import { smallWorld } from '../../support/small-run.js';

const page = readFileSync('docs/how-to/calibrate-predictions.md', 'utf8');
const blocks = codeBlocks(page);
const of = (language: string): readonly string[] =>
  blocks.filter((block) => block.language === language).map(({ text }) => text);

describe('docs/how-to/calibrate-predictions.md', () => {
  it('has examples that train, and commands that use what they trained', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    for (const yaml of of('yaml')) {
      const config = parse(readFileSync(join(folder, 'esmm.yaml'), 'utf8')) as object;
      writeFileSync(join(folder, 'calibrated.yaml'), stringify({ ...config, ...(parse(yaml) as object) }));
      const trained = await mtl(folder, ['train', 'calibrated.yaml', '--device', 'cpu', '--threads', '1']);
      expect(trained).toMatchObject({ code: 0, stderr: '' });
      // As the page shows it.
      expect(trained.stdout).toMatch(
        /\n {2}calibrated +by +logLoss +pcoc +ece\n(?: {2}ctr .*\n)? {2}cvr +platt +0\.\d{4} > 0\.\d{4} +\d\.\d{4} > \d\.\d{4} +0\.\d{4} > 0\.\d{4}\n/,
      );
    }
    copyShipped(folder, ['configs/esmm.yaml', 'data/sample']);
    copyFileSync(join(folder, 'data/sample/test.csv'), join(folder, 'test.csv'));
    for (const command of of('sh').join('').trimEnd().split('\n')) {
      const [, ...args] = command.replace('npx ', '').split(' ');
      const { code, stdout, stderr } = await mtl(folder, args);
      expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
      if (args[0] === 'eval') expect(/^ *calibrated +by/m.test(stdout)).toBe(!args.includes('--raw'));
    }
  }, 120_000);

  it('has a row for every method', () => {
    const rows = [...page.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name!);
    expect(rows.sort()).toEqual([...methods.names].sort());
  });
});
