/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluate.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const TEACHER = [0.9, 0.1, 0.6, undefined] as const;

/**
 * Writes rows of four items and a config. Three items have a teacher, and labels that are 1 in half of their rows; the
 * last has no teacher, and labels that are 1 in a quarter of its rows.
 */
function writeLog(): { readonly folder: string; readonly config: string } {
  const folder = scratchFolder();
  const rows = Array.from({ length: 480 }, (_, row) => {
    const item = row % 4;
    const round = (row - item) / 4;
    const click = item === 3 ? Number(round % 4 === 0) : round % 2;
    return { item, click, teacher: TEACHER[item] ?? '' };
  });
  writeFileSync(
    join(folder, 'train.csv'),
    `item,click,teacher\n${rows.map(({ item, click, teacher }) => `${item},${click},${teacher}\n`).join('')}`,
  );
  writeFileSync(
    join(folder, 'plain.csv'),
    `item,click\n${rows.map(({ item, click }) => `${item},${click}\n`).join('')}`,
  );
  const config = join(folder, 'student.yaml');
  writeFileSync(
    config,
    `data: { train: train.csv, valid: train.csv }
features: { item: { type: categorical, fields: [item], width: 4 } }
tasks: { ctr: { label: click, distill: { column: teacher, weight: 1, temperature: 2 } } }
model: { name: single-task, bottom: { name: none }, tower: { hidden: [] } }
training:
  epochs: 40
  batchSize: 48
  optimizer: { dense: { learningRate: 0.05 }, embeddings: { learningRate: 0.05 } }
`,
  );
  return { folder, config };
}

describe('training with a teacher', () => {
  it('learns its probabilities, and the labels of rows without one', async () => {
    const { folder, config } = writeLog();
    const run = join(folder, 'run');
    const { metrics } = await trainSmall(config, { runDir: run });
    const model = await loadModel(run);
    const { ctr } = model.predict([0, 1, 2, 3].map((item) => ({ item })));
    for (const [item, expected] of [0.9, 0.1, 0.6, 0.25].entries())
      expect(Math.abs(ctr![item]! - expected)).toBeLessThan(0.02);
    model.dispose();

    // Metrics compare with labels, so that they require no teacher.
    const { metrics: measured } = await evaluate({
      path: run,
      data: join(folder, 'plain.csv'),
      device: 'cpu',
      threads: 1,
      onWarning: () => undefined,
      signal: new AbortController().signal,
    });
    expect(Object.values(measured)).toEqual([metrics['valid']]);
  });

  it('resumes to the same weights', async () => {
    const { folder, config } = writeLog();
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    await trainSmall(config, { runDir: whole, set: ['training.epochs=4'] });
    await trainSmall(config, { runDir: parts, set: ['training.epochs=2'] });
    await trainSmall(config, { runDir: parts, set: ['training.epochs=4'], resume: 'auto' });
    const [a, b] = [whole, parts].map((run) =>
      readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1'),
    );
    expect(b).toBe(a);
  });

  it('reports a file without the column of the teacher', async () => {
    const { config } = writeLog();
    await expect(trainSmall(config, { set: ['data.train=plain.csv'] })).rejects.toThrow(
      'column "teacher": is used by the config, but is not in the header',
    );
  });
});
