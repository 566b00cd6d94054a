import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

// make.sh beside the files says how they were made.
describe('a checkpoint from before state sections', () => {
  it('is rejected if the training set has other rows', async () => {
    cpSync(join(import.meta.dirname, 'without-sections'), '.', { recursive: true });
    writeFileSync('train.csv', readFileSync('train.csv', 'utf8').replace(/\n.*\n$/, '\n'));
    const attempt = trainSmall('small.yaml', { resume: 'run' });
    await expect(attempt).rejects.toThrow('data.train: has 119 usable rows, but the run was trained on 120');
    await expect(attempt).rejects.toMatchObject({ exitCode: 3 });
  });

  it('resumes with all its state', async () => {
    cpSync(join(import.meta.dirname, 'without-sections'), '.', { recursive: true });
    const saved = await readSafetensors('run/checkpoints/step-00000005/weights.safetensors');
    const notices: string[] = [];
    const { end } = await trainSmall('small.yaml', {
      resume: 'run',
      on: { onWarning: (notice) => notices.push(notice) },
    });
    expect(end).toBe('finished');
    expect(notices).toContain(
      'resumed run/checkpoints/step-00000005 after 5 steps: 1 completed epochs and 2 batches of the next; ' +
        'best epoch: 1',
    );
    const lines = readFileSync('run/metrics.jsonl', 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { epoch: 1, step: 3, rows: 120 },
      { epoch: 2, step: 6, rows: 120 },
      { bestEpoch: expect.any(Number) as number },
    ]);
    // One step more, with Adam's moments as they were: no weight is far from where it was.
    const trained = await readSafetensors('run/checkpoints/last/weights.safetensors');
    expect([...trained.keys()].sort()).toEqual([...saved.keys()].sort());
    for (const [name, { data }] of trained)
      for (const [i, value] of data.entries()) expect(Math.abs(value - saved.get(name)!.data[i]!)).toBeLessThan(0.2);
    expect(JSON.parse(readFileSync('run/checkpoints/last/state.json', 'utf8'))).toMatchObject({
      formatVersion: 3,
      sections: {
        checkpoint: { version: 1, step: 6 },
        loop: { version: 1, epoch: 2, batch: 0 },
        data: {
          version: 1,
          trainRows: 120,
          fingerprints: { train: { '': { bytes: 1304 } }, valid: { '': { bytes: 662 } } },
        },
        log: { version: 1 },
      },
    });
  });
});
