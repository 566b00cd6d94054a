/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

it('mtl init reads all files of a glob that the shell expands', async () => {
  const folder = scratchFolder();
  const sample = join(import.meta.dirname, '..', '..', 'data', 'sample', 'train.csv');
  const [header, ...rows] = readFileSync(sample, 'utf8').split('\n');
  const days = ['day-1.csv', 'day-2.csv', 'day-3.csv'];
  for (const [i, day] of days.entries())
    writeFileSync(join(folder, day), `${[header, ...rows.slice(300 * i, 300 * (i + 1))].join('\n')}\n`);
  const written = await mtl(folder, ['init', '--data', ...days, '--out', 'shop.yaml']);
  expect(written).toMatchObject({ code: 0, stderr: '' });
  expect(written.stdout).toContain('inspected 900 rows');
  const config = parse(readFileSync(join(folder, 'shop.yaml'), 'utf8')) as { readonly data: object };
  expect(JSON.stringify(config.data)).toContain(JSON.stringify(days));
});
