import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeBlocks, installHere } from './support/code-blocks.js';
import { scratchFolder } from './support/scratch.js';
import { shell } from './support/shell.js';

const root = join(import.meta.dirname, '..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'data/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('README', () => {
  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    for (const page of pages) {
      for (const [, name] of textOf(page).matchAll(/npm run ([\w:-]+)/g)) expect(scripts, page).toHaveProperty([name!]);
    }
  });
});

describe('docs/how-to/write-a-config.md', () => {
  it('shows errors as mtl prints them', async () => {
    const folder = scratchFolder();
    installHere(folder);
    const [errors] = codeBlocks(textOf('docs/how-to/write-a-config.md')).filter(({ language }) => language === 'text');
    const [trian, categoricl] = errors!.text.trim().split('\n');
    const message = (line: string | undefined): string => line!.replace(/^error: my.yaml:\d+:\d+: /, '');
    const { stderr } = await shell(
      folder,
      "printf 'data: { trian: x }\\nfeatures: { other: { type: categoricl } }\\n' > my.yaml; npx mtl check my.yaml",
      2,
    );
    expect(stderr).toContain(message(trian));
    expect(stderr).toContain("did you mean 'categorical'?");
    expect(categoricl).toContain("did you mean 'categorical'?");
  });
});

describe('CONTRIBUTING.md', () => {
  it('lists every module of src', () => {
    const modules = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    for (const name of modules) expect(textOf('CONTRIBUTING.md'), name).toMatch(new RegExp(`(^|\\s)${name}/`));
  });
});
