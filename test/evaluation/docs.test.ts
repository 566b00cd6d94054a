/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { metricParts } from '../../src/evaluation/metrics.js';
import { resolveMeasuring, type EvaluationSection } from '../../src/evaluation/options.js';
import { randomStream } from '../../src/core/random.js';
import { codeBlocks } from '../support/code-blocks.js';
import { measuring } from '../support/measured.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const page = readFileSync('docs/reference/metrics.md', 'utf8');
const examples = codeBlocks(page)
  .filter(({ language }) => language === 'yaml')
  .map(({ text }) => text);

/** A log with the columns of all examples. */
function log(rows: number, seed: number): string {
  const random = randomStream(seed, 'log');
  const lines = Array.from({ length: rows }, () => {
    const click = Number(random.uniform() < 0.4);
    return [
      random.below(9),
      random.below(9),
      click,
      click * Number(random.uniform() < 0.4),
      10 * random.uniform(),
      random.below(3),
      random.uniform() < 0.2 ? 'yes' : 'no',
    ].join(',');
  });
  return `user,item,click,buy,spend,hour,new_user\n${lines.join('\n')}\n`;
}

describe('docs/reference/metrics.md', () => {
  it.each(examples)('has an example that trains and is measured:\n%s', async (yaml) => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'train.csv'), log(200, 1));
    writeFileSync(join(folder, 'valid.csv'), log(300, 2));
    const { evaluation, training, ...rest } = parse(yaml) as {
      readonly evaluation: EvaluationSection;
      readonly training?: object;
    };
    expect(Object.keys(rest)).toEqual([]);
    const tasks = {
      ctr: { label: 'click' },
      cvr: { label: 'buy', given: 'click' },
      spend: { label: 'spend', type: 'regression' },
    };
    const config = {
      data: { train: 'train.csv', valid: 'valid.csv' },
      features: { ids: { type: 'categorical', fields: ['user', 'item'], width: 4 } },
      tasks,
      model: { name: 'mmoe' },
      training: { batchSize: 64, ...training },
      evaluation,
    };
    writeFileSync(join(folder, 'metrics.yaml'), stringify(config));
    const { metrics } = await trainSmall(join(folder, 'metrics.yaml'), { runDir: join(folder, 'run') });
    const { ctr, spend } = metrics['valid']!;
    for (const { taskType, values } of measuring(evaluation).metrics) {
      for (const { name } of values)
        expect([name, typeof (taskType === 'regression' ? spend : ctr)![name]]).toEqual([name, 'number']);
    }
    for (const column of evaluation.segmentBy ?? [])
      expect(Object.keys(metrics['valid']!).filter((name) => name.startsWith(`ctcvr[${column}=`))).toHaveLength(
        column === 'hour' ? 3 : 2,
      );
  });

  it('tells of every metric, and has an example of each', () => {
    const named = new Set(
      examples.flatMap((yaml) =>
        ((parse(yaml) as { evaluation: { metrics?: (string | { name: string })[] } }).evaluation.metrics ?? []).map(
          (metric) => (typeof metric === 'string' ? metric : metric.name),
        ),
      ),
    );
    expect([...named].sort()).toEqual([...metricParts.names].sort());
    for (const name of metricParts.names) expect(page).toContain(`**\`${name}\`**`);
  });

  it('says what is measured where nothing is said', () => {
    expect(resolveMeasuring().metrics.map(({ values }) => values[0].name)).toEqual([
      'auc',
      'logLoss',
      'pcoc',
      'rmse',
      'r2',
    ]);
  });
});
