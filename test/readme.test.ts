/** @module-tag long */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks, installHere } from './support/code-blocks.js';
import { copyShipped } from './support/copy-shipped.js';
import { shell } from './support/shell.js';

const root = join(import.meta.dirname, '..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'data/README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];

/** A folder of someone who has the package, the sample, the configs, and a run. */
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-readme-'));
  installHere(folder);
  copyShipped(folder, ['configs', 'data/sample']);
  await shell(folder, 'npx mtl train configs/esmm.yaml --set training.epochs=1 --set training.earlyStopping=null');
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The lines of a page that are commands, without comments. */
const commandsOf = (page: string): string[] => [...page.matchAll(/^(?: {4})?(npx mtl .*?)(?: {2,}#.*)?$/gm)].map(([, command]) => command!);

describe('README', () => {
  // Its first own config and the sweeps have tests of their own.
  const commands = commandsOf(textOf('README.md')).filter((command) => !/shop\.yaml|sweeps\//.test(command));

  it('shows commands', () => expect(commands.length).toBeGreaterThan(3));

  it.each(commands)('%s', async (command) => {
    expect((await shell(folder, command)).stdout + (await shell(folder, 'ls runs')).stdout).not.toBe('');
  }, 120_000);

  it('names scripts that there are', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    for (const page of pages) {
      for (const [, name] of textOf(page).matchAll(/npm run ([\w:-]+)/g)) expect(scripts, page).toHaveProperty([name!]);
    }
  });
});

describe('docs/config-by-example.md', () => {
  it.each(commandsOf(textOf('docs/config-by-example.md')))('%s', async (command) => {
    await shell(folder, command);
  }, 120_000);

  it('shows errors as they are', async () => {
    const [errors] = codeBlocks(textOf('docs/config-by-example.md')).filter(({ language }) => language === 'text');
    const [trian, categoricl] = errors!.text.trim().split('\n');
    const message = (line: string | undefined): string => line!.replace(/^error: my.yaml:\d+:\d+: /, '');
    const { stderr } = await shell(folder, "printf 'data: { trian: x }\\nfeatures: { other: { type: categoricl } }\\n' > my.yaml; npx mtl check my.yaml", 2);
    expect(stderr).toContain(message(trian));
    expect(stderr).toContain("did you mean 'categorical'?");
    expect(categoricl).toContain("did you mean 'categorical'?");
  });
});

describe('docs/ali-ccp.md', () => {
  it('leads from raw files to a run', async () => {
    const [prepare, train, synth, prepareAs, compare, synthAll, prepareAll, trainAll] = commandsOf(textOf('docs/ali-ccp.md'));
    const few = '--set training.epochs=1 --set training.batchSize=256';
    for (const command of [synth!.replace('1000000', '2000 --test 500'), prepare!, `${train!} ${few}`, prepareAs!, `${compare!} ${few}`]) await shell(folder, command);
    // What was measured, of fewer rows.
    for (const command of [synthAll!.replace('42300000 --test 100000', '2000 --test 500'), prepareAll!, `${trainAll!} --set training.batchSize=256`]) await shell(folder, command);
  }, 180_000);
});

describe('CONTRIBUTING.md', () => {
  it('shows every room of the house', () => {
    const rooms = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
    for (const room of rooms) expect(textOf('CONTRIBUTING.md'), room).toMatch(new RegExp(`(^|\\s)${room}/`));
  });
});

describe('every page', () => {
  it.each(pages)('%s leads to pages, and to places in them, that are there', (page) => {
    const places = (path: string): string[] => [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$|<a id="([^"]+)">/gm)].map(([, heading, id]) => id ?? heading!.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'));
    for (const [, target] of textOf(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path, place] = target!.split('#');
      const file = path === '' ? join(root, page) : join(root, dirname(page), path!);
      expect(existsSync(file), `${page} leads to ${relative(root, file)}`).toBe(true);
      if (place !== undefined) expect(places(file), `${page} leads to ${target}`).toContain(place);
    }
  });
});
