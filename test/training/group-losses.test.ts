/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { predict } from '../../src/index.js';
import { randomStream } from '../../src/core/random.js';
import type { TrainResult } from '../../src/training/observer.js';
import { scratchFolder } from '../support/scratch.js';
import { traceOf, trainSmall } from '../support/small-run.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-groups-'));
  for (const [name, rows, seed] of [
    ['train', 3000, 1],
    ['valid', 1200, 2],
  ] as const)
    writeFileSync(join(folder, `${name}.csv`), log(rows, seed));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Rows of users who click at rates of their own, so that only the item tells what to show to one; those of a user stand
 * together.
 */
function log(rows: number, seed: number): string {
  const random = randomStream(seed, 'log');
  const lines = Array.from({ length: rows }, (_, row) => {
    const user = Math.floor(row / 6);
    const item = random.below(12);
    const click = Number(random.uniform() < 1 / (1 + Math.exp(-(((user * 7919) % 5) - 2.5 + 0.25 * (item - 6)))));
    return [
      row % 97 === 0 ? '' : `u${user}`,
      user,
      item,
      click,
      click * Number(random.uniform() < 0.1 + 0.06 * item),
    ].join(',');
  });
  return `user,about,item,click,buy\n${lines.join('\n')}\n`;
}

const CALIBRATED = { calibration: { method: 'platt' } };

async function trained(
  loss: object | undefined,
  more: object = {},
  options: object = {},
): Promise<{ readonly result: TrainResult; readonly run: string }> {
  const run = join(scratchFolder(), 'run');
  const config = join(scratchFolder(), 'groups.yaml');
  writeFileSync(
    config,
    stringify({
      data: { train: join(folder, 'train.csv'), valid: join(folder, 'valid.csv') },
      features: { item: { type: 'categorical', fields: ['item'], width: 4 } },
      tasks: { ctr: { label: 'click', loss }, cvr: { label: 'buy', given: 'click', loss } },
      model: { name: 'shared-bottom', hidden: [8], batchNorm: false, tower: { hidden: [] } },
      training: { epochs: 4, batchSize: 120, shuffle: false, monitor: 'ctr.gauc' },
      evaluation: { metrics: ['auc', 'logLoss', { name: 'gauc', groupBy: 'about' }] },
      ...more,
    }),
  );
  return { result: await trainSmall(config, { runDir: run, ...options }), run };
}

describe('a ranking loss within groups', () => {
  it.each(['pairwise', 'listwise', 'jrc'])(
    '%s ranks within groups, bitwise identical for any number of threads',
    async (name) => {
      const loss = { name, groupBy: 'user' };
      const one = await trained(loss);
      const { ctr, cvr } = one.result.metrics['valid']!;
      expect(ctr!['gauc'] as number).toBeGreaterThan(0.62);
      expect(cvr!['auc'] as number).toBeGreaterThan(0.55);
      const three = await trained(loss, {}, { threads: 3 });
      expect(
        readFileSync(join(three.run, 'checkpoints/last/weights.safetensors')).equals(
          readFileSync(join(one.run, 'checkpoints/last/weights.safetensors')),
        ),
      ).toBe(true);
      // The column is asked for by nobody who predicts.
      const out = join(scratchFolder(), 'scores.csv');
      writeFileSync(join(folder, 'items.csv'), 'item\n3\n9\n');
      await predict(one.run, { data: join(folder, 'items.csv'), out, device: 'cpu', threads: 1 });
      const [low, high] = readFileSync(out, 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => Number(line.split(',')[0]));
      expect(high).toBeGreaterThan(low!);
    },
  );

  it('predicts scores, which calibration turns into probabilities', async () => {
    const { result } = await trained({ name: 'pairwise', groupBy: 'user' }, CALIBRATED);
    const { before, after } = result.metrics['valid']!['ctr']!.calibration!;
    expect(after['logLoss'] as number).toBeLessThan(before['logLoss'] as number);
    expect(after['pcoc']).toBeCloseTo(1, 2);
  });

  it('of a user ignores rows without a user', async () => {
    const [header, ...lines] = readFileSync(join(folder, 'train.csv'), 'utf8').trimEnd().split('\n');
    const blank = lines.filter((line) => line.startsWith(','));
    expect(blank.length).toBeGreaterThan(20);
    const data = { valid: join(folder, 'valid.csv') };
    writeFileSync(join(folder, 'blank.csv'), [header, ...blank].join('\n'));
    const { run } = await trained(
      { name: 'pairwise', groupBy: 'user' },
      {
        data: { ...data, train: join(folder, 'blank.csv') },
        training: { epochs: 1, batchSize: 120, shuffle: false, monitor: 'ctr.gauc' },
      },
    );
    const [line] = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
    expect((JSON.parse(line!) as { train: { loss: number } }).train.loss).toBe(0);
  });

  it('resumes with identical results', async () => {
    const loss = { name: 'listwise', groupBy: 'user' };
    const whole = await trained(loss, { checkpoints: { bestBy: ['loss'] } });
    const controller = new AbortController();
    let steps = 0;
    const stopped = await trained(
      loss,
      { checkpoints: { bestBy: ['loss'] } },
      { signal: controller.signal, on: { onStep: () => ++steps === 30 && controller.abort(new Error('enough')) } },
    );
    await trainSmall(join(stopped.run, 'config.resolved.yaml'), { resume: stopped.run });
    expect(traceOf(stopped.run).weights).toBe(traceOf(whole.run).weights);
  });

  it('requires its column', async () => {
    await expect(trained({ name: 'pairwise', groupBy: 'usr' })).rejects.toThrow(/usr/);
    await expect(trained({ name: 'pairwise' })).rejects.toThrow(/tasks\.ctr\.loss/);
    await expect(trained('pairwise' as unknown as object)).rejects.toThrow(
      /tasks\.ctr\.loss: pairwise requires groupBy; write { name: pairwise, groupBy: … }/,
    );
  });
});
