/** @module-tag long */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { DAILY_CONFIG, itemsOf, writeDays } from '../support/drifting-days.js';
import { mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'mtl-pretrained-mpi-'));
  writeDays(cwd, 1, 7, 600);
  // Vectors of half the items, of multiples of 1/8; the header is that of numpy.save.
  const items = itemsOf(0).slice(0, 30);
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${items.length}, 8), }`.padEnd(117) + '\n';
  const start = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.of(118, 0), Buffer.from(header)]);
  const data = Float32Array.from({ length: 8 * items.length }, (_, i) => i / 8);
  writeFileSync(join(cwd, 'items.npy'), Buffer.concat([start, Buffer.from(data.buffer)]));
  writeFileSync(join(cwd, 'items.txt'), items.join('\n'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('pretrained vectors of several processes', { timeout: 240_000 }, () => {
  it.for([
    ['sharded tables', 8],
    ['replicated tables', 1000],
  ] as const)('are those of one process, frozen, in %s', async ([what, shardTablesFrom], context) => {
    needsMpi(context, OPEN_MPI);
    const initFrom = 'initFrom: { file: items.npy, keys: items.txt, trainable: false }';
    writeFileSync(join(cwd, 'config.yaml'), DAILY_CONFIG.replace('minCount: 2 } }', `minCount: 2 }, ${initFrom} }`));
    const train = (run: string): string[] => [
      'train',
      'config.yaml',
      `--set=training.shardTablesFrom=${shardTablesFrom}`,
      '--set=training.optimizer.dense.epsilon=0.001',
      '--set=training.optimizer.embeddings.epsilon=0.001',
      '--no-report',
      '--run-dir',
      `${run} of ${what}`,
    ];
    expect((await mtl(cwd, train('one'))).code).toBe(0);
    const { code, stderr } = await mpirun(OPEN_MPI, 2, cwd, [BIN, ...train('two')]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [one, two] = await Promise.all(
      ['one', 'two'].map((run) =>
        readCheckpoint(join(cwd, `${run} of ${what}`, 'checkpoints', 'last'), { withOptimizer: true }),
      ),
    );
    expect(two!.program.weights.get('embeddings.item')).toEqual(one!.program.weights.get('embeddings.item'));
    expect([...two!.program.optimizer.keys()].filter((name) => name.startsWith('embeddings.item'))).toEqual([]);
    for (const [name, { data }] of one!.program.weights) {
      const other = two!.program.weights.get(name)!.data;
      const gap = data.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
      expect(gap, name).toBeLessThan(1e-4);
    }
  });
});
