/** @module-tag nightly */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const CONFIG = `
data: { train: train.csv, valid: train.csv }
features:
  item: { type: categorical, fields: [item], width: 2, encoding: { name: tokens } }
tasks: { ctr: { label: click } }
model: { name: mmoe, experts: { count: 1, hidden: [1] }, tower: { hidden: [1] } }
training: { epochs: 1, batchSize: 4096 }
`;

describe('a run with a vocabulary that is too long for JSON', () => {
  it('prints its memory, stores it as tensors, and eval reproduces its metrics', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'long.yaml'), CONFIG);
    writeFileSync(
      join(cwd, 'train.csv'),
      `click,item\n${Array.from({ length: 20_000 }, (_, i) => `${i % 2},item ${i}\n`).join('')}`,
    );
    const metricsOf = (stdout: string): unknown =>
      (JSON.parse(stdout) as { metrics: { valid: unknown } }).metrics.valid;
    const trained = await mtl(cwd, ['train', 'long.yaml', '--json', '--run-dir', 'run']);
    expect(trained.code).toBe(0);
    // 188,890 bytes of text, 20,001 ends of 4 bytes and 32,768 slots of 8.
    expect(trained.stderr).toMatch(/memory {2}.*, vocabularies 532 kB/);
    expect(existsSync(join(cwd, 'run', 'checkpoints', 'best', 'vocabularies.safetensors'))).toBe(true);
    const evaluated = await mtl(cwd, ['eval', 'run', '--json']);
    expect([evaluated.code, metricsOf(evaluated.stdout)]).toEqual([0, metricsOf(trained.stdout)]);
    const { code, stderr } = await mtl(cwd, ['train', '--resume', 'run', '--set', 'training.epochs=2']);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('learning') as string]);
  });
});
