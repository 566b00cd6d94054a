/** @module-tag long */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measureConfig } from '../../bench/models/measure.js';
import { plantedLog } from '../../bench/models/planted.js';
import { precisionTable } from '../../bench/models/precision.js';
import { scratchFolder } from '../support/scratch.js';

it('training in bfloat16 scores within 0.0005 of AUC of what training in f32 does', { timeout: 600_000 }, async () => {
  const log = await plantedLog(scratchFolder(), 'plain', 200_000);
  const lines = [];
  for (const name of ['esmm', 'mmoe', 'shared-bottom']) {
    const config = join(import.meta.dirname, '..', '..', 'configs', `${name}.yaml`);
    const trained = (precision: string) =>
      measureConfig(config, log, {
        seed: 1,
        threads: undefined,
        set: ['training.epochs=1', `training.precision=${precision}`],
      });
    const [f32, bf16] = [await trained('f32'), await trained('bf16')];
    lines.push({ config, f32: [f32], other: [bf16] });
    for (const output of ['ctr', 'ctcvr']) {
      const [single, rounded] = [f32, bf16].map(({ test }) => test[output]!['auc'] as number);
      expect([name, output, Math.abs(rounded! - single!) < 0.0005]).toEqual([name, output, true]);
    }
    expect(bf16.test).not.toEqual(f32.test);
  }
  const [head, , esmm] = precisionTable('bf16', lines).split('\n');
  expect(head).toContain('f32 (change with bf16)');
  const [single, rounded] = [lines[0]!.f32[0]!, lines[0]!.other[0]!].map(({ test }) => test['ctr']!['auc'] as number);
  const difference = 10_000 * (rounded! - single!);
  expect(esmm).toContain(
    `| esmm | ${single!.toFixed(4)} (${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(1)}) |`,
  );
});
