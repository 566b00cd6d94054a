/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks, installHere } from '../support/code-blocks.js';
import { copyShipped } from '../support/copy-shipped.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const pageOf = (name: string): string =>
  readFileSync(join(import.meta.dirname, '..', '..', 'docs', `${name}.md`), 'utf8');
const files = pageOf('reference/run-files');

/** Returns the text of a section of run-files.md, without the sections below it. */
function section(heading: string): string {
  const begin = files.indexOf(`\n${heading}\n`);
  expect(begin, heading).toBeGreaterThan(0);
  return files.slice(begin + heading.length + 2).split(/\n#+ /)[0]!;
}

/** Returns the names in backticks in the first cells of a section's table. */
const named = (heading: string): readonly string[] =>
  [...section(heading).matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!.replace(/\/$/, '')),
  );

describe('the pages on runs', () => {
  it('have commands that run one after the other as described', () => {
    const cwd = scratchFolder();
    installHere(cwd);
    copyShipped(cwd, ['configs/esmm.yaml', 'data/sample']);
    const printed = new Map<string, string>();
    const pages = ['how-to/compare-two-runs', 'how-to/resume-training', 'reference/run-files'];
    const blocks = pages.flatMap((name) => codeBlocks(pageOf(name)).filter(({ language }) => language === 'sh'));
    for (const line of blocks.flatMap(({ text }) => text.trim().split('\n'))) {
      // npx itself would take half of the time.
      const { status, stdout, stderr } = spawnSync(line.replace('npx mtl', 'node_modules/.bin/mtl'), {
        cwd,
        shell: true,
        encoding: 'utf8',
        env: { ...process.env, MTL_RUNS: '' },
      });
      expect([status, stderr], line).toEqual([0, expect.not.stringContaining('error') as string]);
      printed.set(line, stdout);
    }
    const of = (part: string): string => [...printed].find(([line]) => line.includes(part))![1];
    expect(of('--quiet')).not.toContain('epoch');
    expect(JSON.parse(of('--log-level error'))).toMatchObject({ run: 'runs/esmm/silent' });
    expect(of('--last 3').trim().split('\n')).toHaveLength(3);
    expect(of('runs small').trim().split('\n')).toHaveLength(2);
    expect(readFileSync(join(cwd, 'runs.csv'), 'utf8').trim().split('\n')).toHaveLength(3);
    expect(of('diff runs/esmm/first runs/esmm/small')).toMatch(
      /model\.ctrTower\.hidden +\[32\] +\[16\](.|\n)*test {2}5,000 rows, predicted by both and paired/,
    );
    expect(of('--rows 2000')).toMatch(/2,000 sampled of 5,000 rows, predicted by both and paired/);
    expect(JSON.parse(of('--use-recorded'))).toMatchObject({ split: 'test', rows: null });
    expect(existsSync(join(cwd, 'compared.html'))).toBe(true);
    expect(of('--resume runs/esmm/interrupted')).toContain('epoch 3/3');
    expect(of('--dry-run')).toMatch(/nothing to remove|would remove \d+ director/);
    expect(of('runs rm')).toMatch(/removed \d+ director(y|ies), [\d,.]+ (kB|MB)/);
    expect(existsSync(join(cwd, 'runs', 'esmm', 'quiet'))).toBe(false);

    // The table names every file that a run leaves, and no other.
    const left = readdirSync(join(cwd, 'runs', 'esmm', 'documented')).map((file) =>
      file.replace(/(tfevents)\..*/, '$1.*'),
    );
    const baseline = ['predictions.safetensors', 'predictions.json', 'trees'];
    const others = ['rejects.csv', 'mlflow.json', 'teachers.json', 'run.lock', 'importance.json', ...baseline];
    expect(left.sort()).toEqual(
      named('### Files')
        .filter((file) => !others.includes(file))
        .sort(),
    );
    const optional = ['vocabularies', 'counters', 'lookups', 'window', 'histories'].map(
      (name) => `${name}.safetensors`,
    );
    expect(readdirSync(join(cwd, 'runs/esmm/documented/checkpoints/best')).sort()).toEqual(
      named('## Checkpoints')
        .filter((file) => !optional.includes(file))
        .sort(),
    );
    const summary = JSON.parse(readFileSync(join(cwd, 'runs/esmm/documented/summary.json'), 'utf8')) as object;
    expect(Object.keys(summary).sort()).toEqual([...named('## summary.json')].sort());
    const scores = JSON.parse(readFileSync(join(cwd, 'runs/esmm/documented/scores.json'), 'utf8')) as { test: object };
    for (const key of Object.keys(scores.test)) expect(section('## Other files')).toContain(`\`${key}\``);
  }, 240_000);
});

describe('docs/reference/run-files.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-run-files-'));
  let lines: readonly object[];
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeAll(async () => {
    await smallWorld(folder);
    const run = join(folder, 'run');
    await trainSmall(join(folder, 'mmoe.yaml'), {
      runDir: run,
      set: [
        'training.epochs=1',
        'training.clip={norm: 1}',
        'training.evaluation={everySteps: 4}',
        'training.logEverySteps=2',
        'training.diagnostics={everySteps: 5}',
      ],
    });
    lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
  });

  it('has every key of metrics.jsonl, and no other', () => {
    const rows = section('## metrics.jsonl')
      .split('\n')
      .filter((row) => row.startsWith('| `'))
      .map((row) => row.split('|').map((cell) => cell.trim()));
    const documented = (column: number): string[] =>
      rows
        .filter((row) => row[column] === '✓')
        .flatMap((row) => [...row[1]!.matchAll(/`(\w+)`/g)].map(([, key]) => key!))
        .sort();
    const found = (isOfKind: (line: object) => boolean): string[] =>
      [...new Set(lines.filter(isOfKind).flatMap((line) => Object.keys(line)))].sort();
    expect(found((line) => 'lrFactors' in line)).toEqual(documented(2));
    expect(found((line) => 'isBest' in line)).toEqual(documented(3).filter((key) => key !== 'skippedBatches'));
    expect(Object.keys(lines.at(-1)!)).toEqual(['bestEpoch', 'metrics']);
    const { train } = lines.find((line) => 'isBest' in line && 'train' in line) as { train: object };
    expect(Object.keys(train)).toEqual(['loss', 'losses']);
  });

  it('has every key of a diagnosis, and no other', () => {
    const { diagnosis } = lines.find((line) => 'diagnosis' in line) as { diagnosis: object };
    expect(Object.keys(diagnosis).sort()).toEqual([...named('### diagnosis')].sort());
  });
});
