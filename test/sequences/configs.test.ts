/** @module-tag long */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { synthHistories } from '../../src/synth.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const FOLDER = join('configs', 'sequences');

it('every config with sequences trains on a small log with histories', async () => {
  const data = scratchFolder();
  const rates = { click: 0.25, purchase: 0.2 };
  await synthHistories({
    folder: data,
    seed: 1,
    users: 50,
    items: 80,
    rates,
    rows: { train: 1500, valid: 300, test: 300 },
  });
  for (const file of readdirSync(FOLDER)) {
    const { end, metrics } = await trainSmall(join(FOLDER, file), {
      runDir: join(data, 'runs', file),
      set: [
        ...['train', 'valid', 'test'].map((split) => `data.${split}=${join(data, `${split}.csv`)}`),
        'training.epochs=1',
        `data.cache=${join(data, 'cache')}`,
      ],
    });
    expect(end, file).toBe('finished');
    expect(metrics['test']!['ctr']!.rows, file).toBe(300);
  }
});
