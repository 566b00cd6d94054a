/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { losses } from '../../src/losses/losses.js';
import { MISSING, taskOptions, VIOLATIONS } from '../../src/core/tasks.js';
import { conditionSchema } from '../../src/core/conditions.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const pages = [
  'reference/labels.md',
  'how-to/handle-delayed-or-missing-labels.md',
  'how-to/handle-biased-logs.md',
  'how-to/choose-a-model.md',
  'how-to/distill-a-teacher.md',
].map((path) => readFileSync(join('docs', path), 'utf8'));
const page = pages.join('\n');
const examples = pages.flatMap((text) =>
  [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, yaml]) => yaml!).filter((yaml) => /^tasks:/m.test(yaml)),
);

/** A log with the columns of all examples. */
function log(rows: number, seed: number): string {
  const random = randomStream(seed, 'log');
  const happens = (chance: number): number => (random.uniform() < chance ? 1 : 0);
  const lines = Array.from({ length: rows }, (_, row) => {
    const click = happens(0.4);
    const cart = click * happens(0.5);
    const cells = {
      user: random.below(9),
      item: random.below(9),
      click,
      cart,
      pay: cart * happens(0.5),
      buy: click * happens(0.4),
      odd_buy: row % 20 === 0 ? 1 : click * happens(0.4),
      play_ms: random.below(60_000),
      income: happens(0.3) === 1 ? '>50K' : '<=50K',
      rating: 1 + random.below(5),
      spend: 10 * random.uniform(),
      age: 10 + random.below(70),
      share: happens(0.2),
      watched: random.uniform().toFixed(3),
      items: random.below(4),
      at: `2026-11-0${1 + random.below(9)} 12:00:00`,
      w: 0.5 + random.uniform(),
      paid: row % 3 === 0 ? '' : click * happens(0.4),
      maybe_like: row % 3 === 0 ? '' : happens(0.5),
      teacher_ctr: row % 5 === 0 ? '' : random.uniform(),
      maybe_spend: row % 4 === 0 ? '' : random.uniform(),
      teacher_cvr: random.uniform(),
    };
    return cells;
  });
  return `${Object.keys(lines[0]!).join(',')}\n${lines.map((cells) => Object.values(cells).join(',')).join('\n')}\n`;
}

describe('pages about labels', () => {
  it.each(examples)('has an example that trains and is measured:\n%s', async (yaml) => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'train.csv'), log(400, 1));
    writeFileSync(join(folder, 'valid.csv'), log(300, 2));
    const { data, tasks, training, ...rest } = parse(yaml) as {
      readonly data?: object;
      readonly tasks: object;
      readonly training?: object;
    };
    expect(rest).toEqual({});
    const writeConfig = (name: string, ofTasks: object): string => {
      const config = join(folder, name);
      writeFileSync(
        config,
        stringify({
          data: { train: 'train.csv', valid: 'valid.csv', ...data },
          features: { ids: { type: 'categorical', fields: ['user', 'item'], width: 4 } },
          tasks: ofTasks,
          model: { name: 'mmoe' },
          training: { batchSize: 64, ...training },
        }),
      );
      return config;
    };
    if (yaml.includes('from: mmoe')) {
      vi.stubEnv('MTL_RUNS', join(folder, 'runs'));
      onTestFinished(() => void vi.unstubAllEnvs());
      await trainSmall(writeConfig('mmoe.yaml', { ctr: { label: 'click' } }), {});
    }
    const config = writeConfig('labels.yaml', tasks);
    const { metrics, rejectedRows: numRejects } = await trainSmall(config, { runDir: join(folder, 'run') });
    expect(numRejects).toBe(0);
    for (const name of Object.keys(tasks)) {
      const { rows, reasons } = metrics['valid']![name]!;
      expect([name, rows > 10, reasons]).toEqual([name, true, undefined]);
    }
  });

  it('tells of every key of a task and of a condition, and of every choice', () => {
    const keys = [
      ...Object.keys(taskOptions.shape),
      ...Object.keys((conditionSchema as unknown as { readonly shape: object }).shape),
    ];
    const ofLosses = losses.parts.flatMap(({ name, options }) => [name, ...Object.keys(options())]);
    for (const word of [...keys, ...ofLosses, ...MISSING, ...VIOLATIONS])
      expect(page).toMatch(new RegExp(`\`${word}\`|\\b${word}:`));
  });
});
