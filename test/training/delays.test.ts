/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { delays } from '../../src/delay/delays.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, trainSmall } from '../support/small-run.js';

const HOUR = 3600;

/** A log of impressions; a conversion follows a third of the clicks on even items, after up to 30 hours. */
function writeLog(folder: string, name: string, seed: number, rows: number): void {
  const random = randomStream(seed, 'delayed shop');
  let time = 1_790_000_000;
  const lines = Array.from({ length: rows }, () => {
    time += random.below(600);
    const item = random.below(12);
    const click = random.below(2);
    const isBought = click === 1 && item % 2 === 0 && random.below(3) > 0;
    return [time, isBought ? time + random.below(30 * HOUR) : '', item, click, isBought ? 1 : 0].join(',');
  });
  writeFileSync(join(folder, name), `at,bought,item,click,buy\n${lines.join('\n')}\n`);
}

function writeConfig(folder: string, method: string): string {
  writeLog(folder, 'train.csv', 1, 3000);
  writeLog(folder, 'valid.csv', 2, 600);
  const part = delays.parts.find(({ name }) => name === method)!;
  const wait = 'wait' in part.options() ? ', wait: 3h' : '';
  const config = join(folder, `${method}.yaml`);
  writeFileSync(
    config,
    `data: { train: train.csv, valid: valid.csv }
features:
  items: { type: categorical, fields: [item], width: 4 }
tasks:
  ctr: { label: click }
  cvr:
    label: buy
    given: click
    delay: { method: ${method}, from: at, event: bought, format: seconds, window: 36h${wait} }
model: { name: shared-bottom, wide: true }
training:
  batchSize: 32
  shuffle: false
  optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.02 } }
`,
  );
  return config;
}

describe('training with delayed labels', () => {
  it.each(delays.names)('%s learns which items are bought, from late conversions', async (method) => {
    const folder = scratchFolder();
    const notices: string[] = [];
    const { metrics } = await trainSmall(writeConfig(folder, method), {
      runDir: join(folder, 'run'),
      on: { onWarning: (text) => notices.push(text) },
    });
    const { ctr, cvr } = metrics['valid']!;
    expect(ctr!.rows).toBe(600);
    expect(cvr!.rows).toBe(ctr!['positives']);
    expect(notices.find((text) => text.startsWith('delay: 3000 rows'))).toMatch(/are trained as \d+ samples/);
    // A label at the wait is biased, but ranks items.
    expect(cvr!['auc']).toBeGreaterThan(0.75);
    // Delays are uniform here, so a model of exponential ones is not calibrated.
    if (![delays.names[0], 'dfm'].includes(method)) expect(Math.abs((cvr!['pcoc'] as number) - 1)).toBeLessThan(0.3);
  });

  it('resumes bitwise identically within the replay', async () => {
    const folder = scratchFolder();
    const config = writeConfig(folder, 'es-dfm');
    const whole = join(folder, 'whole');
    await trainSmall(config, { runDir: whole });
    const parted = join(folder, 'parted');
    await trainSmall(config, { runDir: parted, ...abortAtStep(70) });
    await trainSmall(config, { resume: parted });
    for (const file of ['weights', 'optimizer']) {
      const path = `checkpoints/last/${file}.safetensors`;
      expect(readFileSync(join(parted, path)).equals(readFileSync(join(whole, path)))).toBe(true);
    }
  });
});
