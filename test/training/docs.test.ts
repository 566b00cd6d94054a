import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { trainingOptions } from '../../src/training/options.js';
import { weightings } from '../../src/weightings/weightings.js';
import { schedules } from '../../src/schedules/schedules.js';
import { codeBlocks } from '../support/code-blocks.js';

const pageOf = (name: string): string => readFileSync(`docs/reference/${name}.md`, 'utf8');
const training = pageOf('training');
const optimizers = pageOf('optimizers');
const weighting = pageOf('loss-weighting');
const examples = [training, optimizers, weighting].flatMap((page) =>
  codeBlocks(page)
    .filter(({ language }) => language === 'yaml')
    .map(({ text }) => text),
);

describe('docs/reference/training.md, optimizers.md and loss-weighting.md', () => {
  it.each(examples)('has an example that is parsed:\n%s', (yaml) => {
    const { training: section } = parse(yaml) as { training: object };
    expect(trainingOptions.parse(section)).toMatchObject(section);
  });

  it('has an example of each subject', () => {
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

  it('has a row for every schedule, and two for every loss weighting', () => {
    const rowsOf = (page: string, name: string): number =>
      page.split('\n').filter((row) => row.startsWith(`| \`${name}\` |`)).length;
    for (const name of schedules.names) expect([name, rowsOf(optimizers, name)]).toEqual([name, 1]);
    for (const name of weightings.names) expect([name, rowsOf(weighting, name)]).toEqual([name, 2]);
  });
});
