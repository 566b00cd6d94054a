/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ALLOW_SOFTWARE } from '../../../src/engines/webgpu/adapter.js';
import { evaluate } from '../../../src/evaluate.js';
import { gpu } from '../../support/webgpu.js';
import { mtl } from '../../support/mtl.js';
import { scratchFolder } from '../../support/scratch.js';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../../support/small-run.js';

type Metrics = Awaited<ReturnType<typeof trainSmall>>['metrics'];
function expectLosses(found: Metrics, expected: Metrics, digits: number): void {
  const tasks = Object.keys(expected['test']!);
  expect(tasks.length).toBeGreaterThan(2);
  for (const task of tasks)
    expect(found['test']![task]!['logLoss'], task).toBeCloseTo(expected['test']![task]!['logLoss'] as number, digits);
}

const rowsOf = (run: string): string =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8').replace(/"elapsedMs":[\d.e+-]+,?/g, '');

beforeEach(() => void vi.stubEnv(ALLOW_SOFTWARE, '1'));

describe.skipIf(gpu === undefined)('a run on WebGPU', () => {
  it.each(['esmm', 'mmoe'])(
    'of %s stops, resumes on the CPU and is evaluated there as on the device, like one that stays on it',
    async (model) => {
      const folder = scratchFolder();
      await smallWorld(folder);
      const config = join(folder, `${model}.yaml`);
      const set = ['training.epochs=2', 'training.batchSize=200', 'training.shuffle=false'];
      const whole = await trainSmall(config, { set, runDir: join(folder, 'whole'), device: 'webgpu' });
      const cpu = await trainSmall(config, { set, runDir: join(folder, 'cpu') });
      const parts = join(folder, 'parts');
      await trainSmall(config, { set, runDir: parts, device: 'webgpu', ...abortAtStep(4) });
      const resumed = await trainSmall(config, { set, resume: parts });
      // Adam amplifies rounding of gradients that cancel, so trainings of two engines diverge slightly.
      expectLosses(whole.metrics, cpu.metrics, 3);
      expectLosses(resumed.metrics, cpu.metrics, 3);
      const measured = await evaluate({
        path: join(folder, 'whole'),
        device: 'cpu',
        signal: new AbortController().signal,
        onWarning: () => undefined,
      });
      expectLosses(measured.metrics, whole.metrics, 6);
      expect(rowsOf(join(folder, 'whole')).split('\n').length).toBe(rowsOf(join(folder, 'cpu')).split('\n').length);
    },
  );

  it('is byte-identical to an uninterrupted run after two interruptions with steps in flight', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    const config = join(folder, 'esmm.yaml');
    const set = [
      'training.epochs=2',
      'training.batchSize=10',
      'training.earlyStopping=null',
      'checkpoints.everySteps=100',
    ];
    await trainSmall(config, { set, runDir: join(folder, 'whole'), device: 'webgpu' });
    const parts = join(folder, 'parts');
    let taken = 0;
    for (const [i, count] of [9, 5].entries()) {
      const { signal, on } = abortAtStep(count);
      expect(
        (
          await trainSmall(config, {
            set,
            ...(i > 0 ? { resume: parts } : { runDir: parts }),
            device: 'webgpu',
            signal,
            on,
          })
        ).end,
      ).toBe('interrupted');
      const { step } = (
        JSON.parse(readFileSync(join(parts, 'checkpoints/last/state.json'), 'utf8')) as {
          sections: { loop: { step: number } };
        }
      ).sections.loop;
      // Steps in flight at the stop are included.
      expect(step).toBeGreaterThan(taken + count);
      taken = step;
    }
    await trainSmall(config, { set, resume: parts, device: 'webgpu' });
    expect(traceOf(parts)).toEqual(traceOf(join(folder, 'whole')));
  });

  it('prints its device on the command line, and records it', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    const { code, stdout, stderr } = await mtl(folder, [
      'train',
      'esmm.yaml',
      '--device',
      'webgpu',
      '--set',
      'training.epochs=1',
      '--set',
      'training.batchSize=450',
      '--run-dir',
      'run',
    ]);
    expect(stderr.replace(/^Warning: max.*\n/gm, '')).toBe('');
    expect([code, stdout]).toEqual([0, expect.stringContaining(`engine  WebGPU on ${gpu!.about.name}`) as string]);
    const { engine } = JSON.parse(readFileSync(join(folder, 'run', 'environment.json'), 'utf8')) as {
      engine: { name: string; about: object };
    };
    expect(engine).toMatchObject({
      name: 'webgpu',
      about: { driver: gpu!.about.driver, maxBindingBytes: gpu!.about.maxBindingBytes },
    });
  });
});
