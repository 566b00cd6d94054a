import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codeBlocks, installHere } from '../support/code-blocks.js';
import { scratchFolder } from '../support/scratch.js';
import { shell } from '../support/shell.js';

const PAGE = 'docs/how-to/write-a-config.md';

describe(PAGE, () => {
  it('shows errors as they are', async () => {
    const folder = scratchFolder();
    installHere(folder);
    const [errors] = codeBlocks(readFileSync(PAGE, 'utf8')).filter(({ language }) => language === 'text');
    const { stderr } = await shell(
      folder,
      "printf 'data: { trian: x }\\nfeatures: { seen: { type: bag, fields: [seen], pooling: " +
        "max } }\\n' > my.yaml; npx mtl check my.yaml",
      2,
    );
    for (const line of errors!.text.trim().split('\n')) expect(stderr.split('\n')).toContain(line);
  });
});
