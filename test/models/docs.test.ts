/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { models } from '../../src/models/models.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const textOf = (page: string): string => readFileSync(join('docs', page), 'utf8');
const reference = textOf('reference/models.md');
const examples = ['reference/models.md', 'how-to/choose-a-model.md', 'explanation/entire-space-models.md'].flatMap(
  (page) => [...textOf(page).matchAll(/^```yaml\n(model:[^]*?)^```$/gm)].map(([, yaml]) => yaml!),
);

const LOG = `click,buy,user,item\n${Array.from(
  { length: 200 },
  (_, i) => `${i % 3 === 0 ? 1 : 0},${i % 6 === 0 ? 1 : 0},${i % 7},${i % 5}\n`,
).join('')}`;

describe('pages on models', () => {
  it.each(examples)('have an example that trains:\n%s', async (yaml) => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'train.csv'), LOG);
    const config = join(folder, 'models.yaml');
    writeFileSync(
      config,
      stringify({
        data: { train: 'train.csv', valid: 'train.csv' },
        features: { ids: { type: 'categorical', fields: ['user', 'item'], width: 4 } },
        tasks: { ctr: { label: 'click' }, cvr: { label: 'buy', given: 'click' } },
        ...(parse(yaml) as object),
        training: { batchSize: 64 },
      }),
    );
    const { metrics } = await trainSmall(config, { runDir: join(folder, 'run') });
    expect(metrics['valid']!['ctcvr']!.rows).toBe(200);
  });

  it('include examples, and describe every model', () => {
    expect(examples.length).toBeGreaterThanOrEqual(3);
    for (const name of models.names)
      expect(reference).toMatch(new RegExp(`\\*\\*\`${name}\`\\*\\*|^\\| \`${name}\` \\|`, 'm'));
  });
});
