import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { trainingOptions } from '../../src/training/options.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const page = readFileSync('docs/training.md', 'utf8');
const examples = [...page.matchAll(/^ {4}training:\n(?: {6}.*\n)+/gm)].map(([yaml]) => yaml);

describe('docs/training.md', () => {
  it.each(examples)('has an example that is read:\n%s', (yaml) => {
    const { training } = parse(yaml) as { training: object };
    expect(trainingOptions.parse(training)).toMatchObject(training);
  });

  it('has examples of whatever it tells of', () => {
    const keys = examples.flatMap((yaml) => Object.keys((parse(yaml) as { training: object }).training));
    expect(keys).toEqual(
      expect.arrayContaining([
        'optimizer',
        'schedule',
        'clip',
        'accumulateBatches',
        'ema',
        'lossWeighting',
        'evaluation',
      ]),
    );
  });

  it('tells of all that metrics.jsonl holds, and of nothing else', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    const run = join(folder, 'run');
    await trainSmall(join(folder, 'esmm.yaml'), {
      runDir: run,
      set: [
        'training.epochs=1',
        'training.clip={norm: 1}',
        'training.evaluation={everySteps: 4}',
        'training.logEverySteps=2',
      ],
    });
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    const [, table] = /\n\| key \|[^\n]*\n\|---[^\n]*\n([^]*?)\n\n/.exec(page)!;
    const rows = table!.split('\n').map((row) => row.split('|').map((cell) => cell.trim()));
    const told = (column: number): string[] =>
      rows
        .filter((row) => row[column] === '✓')
        .flatMap((row) => [...row[1]!.matchAll(/`(\w+)`/g)].map(([, key]) => key!))
        .sort();
    const held = (isAsked: (line: object) => boolean): string[] =>
      [...new Set(lines.filter(isAsked).flatMap((line) => Object.keys(line)))].sort();
    expect(held((line) => 'lrFactors' in line)).toEqual(told(2));
    expect(held((line) => 'isBest' in line)).toEqual(told(3).filter((key) => key !== 'skippedBatches'));
    expect(Object.keys(lines.at(-1)!)).toEqual(['bestEpoch', 'metrics']);
  });
});
