/** @module-tag long */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/code-blocks.js';
import { copyShipped } from '../support/copy-shipped.js';
import { missingLine } from '../support/journey.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const blocks = codeBlocks(readFileSync('docs/how-to/debug-poor-auc.md', 'utf8')).filter(
  ({ heading }) => heading === '10. Baselines',
);

describe('docs/how-to/debug-poor-auc.md', () => {
  it('has baselines that run, and print what is shown', (context) => {
    needsPython(context, 'pandas', 'sklearn');
    const folder = scratchFolder();
    copyShipped(folder, ['data/sample']);
    const [script, shown, ...others] = blocks;
    expect([script!.language, shown!.language, others]).toEqual(['python', 'text', []]);
    expect(missingLine(shown!.text, python(folder, script!.text))).toBeUndefined();
  });
});
