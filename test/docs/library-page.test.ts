/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mtl } from '../support/mtl.js';
import { codeBlocks, installHere } from '../support/code-blocks.js';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'reference', 'library.md'), 'utf8');
const examples = codeBlocks(page).filter(({ language }) => language === 'js');

/** A directory with the package installed, a config, data and a run. */
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-api-'));
  installHere(folder);
  const { code } = await mtl(folder, ['synth', 'data', '--train', '1000', '--valid', '300', '--test', '300']);
  expect(code).toBe(0);
  cpSync(join(root, 'configs', 'esmm.yaml'), join(folder, 'config.yaml'));
  writeFileSync(
    join(folder, 'config.yaml'),
    readFileSync(join(root, 'configs', 'esmm.yaml'), 'utf8').replaceAll('../data/sample', 'data'),
  );
  expect(await mtl(folder, ['train', 'config.yaml', '--set', 'training.epochs=1'])).toMatchObject({
    code: 0,
    stderr: '',
  });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('docs/reference/library.md', () => {
  it('equals the output of npm run docs', async () => {
    const { apiPage } = (await import(pathToFileURL(join(root, 'bin', 'api-docs.js')).href)) as { apiPage(): string };
    expect(page, 'run npm run docs').toBe(apiPage());
  });

  it('has an example for every function', () => {
    const functions = [...page.matchAll(/^## (\w+)\n[^#]*?^```ts\nfunction /gm)].map(([, name]) => name);
    expect(functions).toEqual(['evaluate', 'loadModel', 'predict', 'train']);
    for (const name of functions) expect(examples.filter(({ heading }) => heading === name)).toHaveLength(1);
  });

  it.each(examples.slice(1).map(({ heading, text }) => [heading, text]))(
    'has an example of %s that runs and exits:\n%s',
    (_, text) => {
      const imports = /^import .* from 'mtl-recommender';$/m.test(text)
        ? ''
        : "import { loadModel, train, evaluate, predict } from 'mtl-recommender';\n";
      // Examples of methods use a loaded model.
      const model =
        text.includes('model.') && !text.includes('const model')
          ? "const model = await loadModel('runs/latest');\n"
          : '';
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', `${imports}${model}${text}`],
        { cwd: folder, encoding: 'utf8', timeout: 50_000 },
      );
      expect([status, stderr.replaceAll(/^\d+ \[\n[^]*?^\]\n/gm, '')]).toEqual([0, '']);
      if (text.includes('console.log')) expect(stdout).not.toBe('');
    },
  );
});
