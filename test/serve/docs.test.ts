/** @module-tag long */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { codeBlocks, installHere } from '../support/code-blocks.js';
import { copyShipped } from '../support/copy-shipped.js';
import { mtl } from '../support/mtl.js';
import { needsPython, pythonAside } from '../support/python.js';

const root = join(import.meta.dirname, '..', '..');
const readPage = (...path: readonly string[]): string => readFileSync(join(root, 'docs', ...path), 'utf8');
const guide = readPage('how-to', 'serve-predictions.md');
const api = readPage('reference', 'http-api.md');
const blocks = [...codeBlocks(guide), ...codeBlocks(api)];
/** Returns the code examples of a section in a language. */
const examples = (heading: string, language: string): string[] =>
  blocks.filter((block) => block.heading === heading && block.language === language).map(({ text }) => text);
const example = (heading: string, language: string): string => {
  const [text, ...others] = examples(heading, language);
  expect([text === undefined, others]).toEqual([false, []]);
  return text!;
};

/** A directory with the installed package and a trained run of its config. */
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-serving-'));
  installHere(folder);
  copyShipped(folder, ['configs/esmm.yaml', 'data/sample']);
  expect(await mtl(folder, ['train', 'configs/esmm.yaml', '--set', 'training.epochs=1'])).toMatchObject({
    code: 0,
    stderr: '',
  });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.on('exit', resolve));
}

/** Starts an example server on a free port and stops it after the test. */
function serving(script: string): Promise<string> {
  const child = spawn('bash', ['-c', `${script.trim().replace(/ --port \d+/, '')} --port 0 --json`], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    const over = ended(child);
    // npx and its children form a process group.
    process.kill(-child.pid!, 'SIGTERM');
    await over;
  });
  let printed = '';
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes('\n')) resolve((JSON.parse(printed) as { url: string }).url);
    });
    void ended(child).then((code) => reject(new Error(`ended with ${code}`)));
  });
}

const runNode = (text: string): string => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
};

describe('docs/how-to/serve-predictions.md and docs/reference/http-api.md', () => {
  it('has examples for Node and curl that run and predict the same', async () => {
    const printed = runNode(example('In a Node program', 'js'));
    expect(printed).toMatch(/^42 0\.\d+ 0\.\d+\n43 0\.\d+ 0\.\d+\n$/);
    const [, ctr, ctcvr] = printed.split(/\s/).map(Number);

    const [, start, ask] = examples('Serve predictions', 'sh');
    const url = await serving(start!);
    const asked = spawn('bash', ['-c', ask!.replace('http://127.0.0.1:8080', url)], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let body = '';
    asked.stdout.on('data', (chunk: Buffer) => (body += chunk.toString()));
    expect(await ended(asked)).toBe(0);
    const answer = JSON.parse(body) as { predictions: Record<string, number>[] };
    expect(answer.predictions[0]!['ctr']).toBeCloseTo(ctr!, 6);
    expect(answer.predictions[0]!['ctcvr']).toBeCloseTo(ctcvr!, 6);
    const [rank] = examples('Candidates of a user', 'sh');
    const ranked = JSON.parse(
      spawnSync('bash', ['-c', rank!.replace('http://127.0.0.1:8080', url)], { cwd: folder, encoding: 'utf8' }).stdout,
    ) as typeof answer;
    expect(ranked.predictions.map((each) => each['ctr']!.toPrecision(4))).toEqual(
      printed
        .trim()
        .split('\n')
        .map((line) => Number(line.split(' ')[1]).toPrecision(4)),
    );

    const shown = JSON.parse(example('Serve predictions', 'json')) as typeof answer;
    expect(Object.keys(answer)).toEqual(Object.keys(shown));
    expect(Object.keys(answer.predictions[0]!)).toEqual(Object.keys(shown.predictions[0]!));
    const paths = [...api.matchAll(/^\| `GET ([^|]*)\|/gm)].flatMap(([, list]) =>
      [...list!.matchAll(/\/[\w/.]*/g)].map(([path]) => path.replace('NAME', 'esmm')),
    );
    expect(paths.length).toBeGreaterThan(7);
    for (const path of paths) expect([path, (await fetch(`${url}${path}`)).status]).toEqual([path, 200]);
  });

  it('has an example with a token, several models and all options that starts', async () => {
    const url = await serving(example('In production', 'sh'));
    const statuses = ['/readyz', '/v2/models/best', '/v2/models/last'].map(
      async (path) => (await fetch(`${url.replace('0.0.0.0', '127.0.0.1')}${path}`)).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 401, 401]);
  });

  it("has an example for Triton's client that runs", async (test) => {
    needsPython(test, 'numpy', 'tritonclient.http');
    const url = await serving('npx mtl serve runs/latest');
    const printed = await pythonAside(
      folder,
      example('Open Inference Protocol', 'python').replace('127.0.0.1:8080', new URL(url).host),
    );
    expect(printed).toMatch(/^\[0\.\d+ +0\.\d+ *\] \[0\.\d+ +0\.\d+ *\]\n$/);
  });

  it('has an example for KServe whose command starts, and whose probes find it ready', async () => {
    interface Container {
      readonly command: readonly string[];
      readonly args: readonly string[];
      readonly readinessProbe: { readonly httpGet: { readonly path: string } };
      readonly livenessProbe: { readonly httpGet: { readonly path: string } };
    }
    const { spec } = parse(example('KServe and Kubernetes', 'yaml')) as {
      spec: { predictor: { containers: [Container] } };
    };
    const [{ command, args, readinessProbe, livenessProbe }] = spec.predictor.containers;
    const url = await serving([...command, ...args].join(' ').replace('/mnt/models', 'runs/latest'));
    for (const { httpGet } of [readinessProbe, livenessProbe])
      expect((await fetch(`${url.replace('0.0.0.0', '127.0.0.1')}${httpGet.path}`)).status).toBe(200);
  });
});
