/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/code-blocks.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const PAGE = 'docs/tutorials/from-torch-rechub.md';
const blocks = codeBlocks(readFileSync(PAGE, 'utf8'));
const blockOf = (language: string): string => blocks.find((block) => block.language === language)!.text;
const ROWS = 1000;

/** A directory with the first rows of the sample files, where the page has them. */
function smallSample(): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'data', 'sample'), { recursive: true });
  for (const split of ['train', 'valid', 'test']) {
    const lines = readFileSync(join('data', 'sample', `${split}.csv`), 'utf8').split('\n');
    writeFileSync(join(folder, 'data', 'sample', `${split}.csv`), `${lines.slice(0, ROWS + 1).join('\n')}\n`);
  }
  return folder;
}

describe(PAGE, () => {
  it('has a config that trains', async () => {
    const folder = smallSample();
    writeFileSync(join(folder, 'rechub.yaml'), blockOf('yaml'));
    const { metrics } = await trainSmall(join(folder, 'rechub.yaml'), { runDir: join(folder, 'run') });
    expect(Object.keys(metrics['test']!)).toEqual(['ctr', 'cvr', 'cvr_all', 'ctcvr']);
  });

  it('has a script that trains', { timeout: 300_000 }, (context) => {
    needsPython(context, 'torch_rechub', 'pandas');
    expect(python(smallSample(), blockOf('python'))).toMatch(
      /^test AUC of cvr, ctr, ctcvr: \[0\.\d+, 0\.\d+, 0\.\d+\]$/m,
    );
  });
});
