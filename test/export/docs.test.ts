/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formats } from '../../src/export/formats.js';
import type { CellRule } from '../../src/features/cell-rule.js';
import { loadModel } from '../../src/index.js';
import { randomStream } from '../../src/core/random.js';
import { mtl } from '../support/mtl.js';
import { needsPython, python } from '../support/python.js';

const page = ['how-to/deploy-onnx.md', 'reference/export-formats.md']
  .map((name) => readFileSync(join('docs', name), 'utf8'))
  .join('\n');
const blocks = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);
const commands = [...page.matchAll(/^npx mtl (export .*)$/gm)].map(([, line]) => line!.split(' '));

const folder = mkdtempSync(join(tmpdir(), 'mtl-formats-'));
let expected: Record<string, number[]>;

/** Writes a log with the columns of the page's model. */
function logOf(rows: number, seed: number): string {
  const random = randomStream(seed, 'log');
  const items = ['shoes', 'socks', 'hat', 'scarf', 'belt'];
  const lines = Array.from({ length: rows }, () => {
    const history = Array.from(
      { length: random.below(4) },
      () => `${items[random.below(5)]!}${random.below(2) === 0 ? '' : ':2'}`,
    ).join('|');
    const click = Number(random.uniform() < 0.5);
    return [
      random.below(20),
      items[random.below(5)],
      random.below(9) === 0 ? '' : (random.uniform() * 90).toFixed(2),
      history,
      click,
      click * random.below(2),
    ].join(',');
  });
  return ['user,item,price,history,click,purchase', ...lines, ''].join('\n');
}

beforeAll(async () => {
  writeFileSync(join(folder, 'train.csv'), logOf(400, 1));
  writeFileSync(join(folder, 'test.csv'), logOf(100, 2));
  writeFileSync(join(folder, 'config.yaml'), blocks('yaml')[0]!);
  const trained = await mtl(folder, ['train', 'config.yaml', '--device', 'cpu', '--threads', '1']);
  expect(trained.stderr).toBe('');
  for (const command of commands) expect(await mtl(folder, command)).toMatchObject({ code: 0, stderr: '' });
  symlinkSync(join(import.meta.dirname, '..', '..', 'node_modules'), join(folder, 'node_modules'));
  const model = await loadModel(join(folder, 'runs', 'latest'));
  const { ctr, ctcvr } = model.predict([
    { user: '17', item: 'shoes', price: '49.90', history: 'socks:2|shoes' },
    { user: '3', item: 'socks', price: '', history: '' },
  ]);
  expected = { ctr: [...ctr!], ctcvr: [...ctcvr!] };
  model.dispose();
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function expectPredictions(found: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, values] of Object.entries(expected))
    for (const [row, value] of values.entries()) expect(found[name]![row]).toBeCloseTo(value, 5);
}

describe('docs/how-to/deploy-onnx.md and docs/reference/export-formats.md', () => {
  it('has an example of every format, and runs every example', () => {
    expect(new Set(commands.map((words) => words[words.indexOf('--format') + 1]))).toEqual(new Set(formats.names));
    expect(['yaml', 'js', 'python', 'java'].map((language) => blocks(language).length)).toEqual([1, 1, 4, 1]);
    expect(readdirSync(folder).sort()).toEqual(
      expect.arrayContaining([
        'embeddings',
        'encoded.onnx',
        'model.onnx',
        'model.safetensors',
        'padded.onnx',
        'small.onnx',
      ]),
    );
  });

  it('documents that --json prints the files and the loss of int8', async () => {
    const { code, stdout } = await mtl(folder, [
      'export',
      'runs/latest',
      '--format',
      'safetensors',
      '--quantize',
      'int8',
      '--out',
      'small.safetensors',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      files: [join(folder, 'small.safetensors')],
      measured: {
        exact: { test: { ctr: { auc: expect.any(Number) as number } } },
        exported: { test: { ctr: { auc: expect.any(Number) as number } } },
      },
    });
  });

  it('lists every encoding rule', () => {
    const kinds: Readonly<Record<CellRule['kind'], true>> = {
      id: true,
      text: true,
      hashed: true,
      range: true,
      between: true,
      number: true,
      constant: true,
      time: true,
    };
    const told = [
      ...page
        .slice(page.indexOf('| `rule.kind`'))
        .split('\n\n')[0]!
        .matchAll(/^\| `(\w+)` \|/gm),
    ].map(([, kind]) => kind);
    expect(told.sort()).toEqual(Object.keys(kinds).sort());
  });

  it('has a Node example that predicts like the loaded model', () => {
    writeFileSync(join(folder, 'score.mjs'), blocks('js')[0]!);
    expectPredictions(
      JSON.parse(execFileSync(process.execPath, ['score.mjs'], { cwd: folder, encoding: 'utf8' })) as Record<
        string,
        number[]
      >,
    );
  });

  it('has Python examples of ONNX with raw and encoded values', (context) => {
    needsPython(context, 'onnxruntime', 'numpy');
    expectPredictions(JSON.parse(python(folder, blocks('python')[0]!)) as Record<string, number[]>);
    const encoded = JSON.parse(python(folder, blocks('python')[1]!)) as { ctr: number[]; item: object };
    expect(encoded.ctr).toHaveLength(2);
    expect(encoded.item).toEqual({ kind: 'text', texts: 5, empty: 0, cells: 1 });
  });

  it('has a Java example that predicts like the loaded model', ({ skip }) => {
    const jar = process.env['MTL_ONNXRUNTIME_JAR'];
    if (jar === undefined || spawnSync('java', ['-version'], { stdio: 'ignore' }).status !== 0)
      return skip('name the jar of ONNX Runtime in MTL_ONNXRUNTIME_JAR, with a JDK on the path');
    writeFileSync(join(folder, 'Score.java'), blocks('java')[0]!);
    const [ctr, ctcvr] = [
      ...execFileSync('java', ['-cp', jar, 'Score.java'], { cwd: folder, encoding: 'utf8' }).matchAll(/\[[^\]]*\]/g),
    ].map(([list]) => JSON.parse(list) as number[]);
    expectPredictions({ ctr: ctr!, ctcvr: ctcvr! });
  });

  it('has a Python example that reads safetensors', (context) => {
    needsPython(context, 'safetensors', 'numpy');
    const { rows, items, fields } = JSON.parse(python(folder, blocks('python')[2]!)) as {
      rows: number;
      items: string[];
      fields: string[];
    };
    expect([rows, [...items].sort(), fields]).toEqual([
      6,
      ['belt', 'hat', 'scarf', 'shoes', 'socks', 'unknown'],
      ['user', 'item', 'price', 'history'],
    ]);
  });

  it('has a Python example that finds neighbors in a table', (context) => {
    needsPython(context, 'pyarrow', 'numpy');
    const { shoes } = JSON.parse(python(folder, blocks('python')[3]!)) as { shoes: string[] };
    expect(shoes).toHaveLength(3);
    expect(shoes).not.toContain('shoes');
  });
});
