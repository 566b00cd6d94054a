/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

/** The factor of each step, as metrics.jsonl has it. */
function factorsOf(run: string): readonly number[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { step?: number; lrFactors?: { dense: number } });
  return lines.flatMap(({ lrFactors }) => (lrFactors === undefined ? [] : [lrFactors.dense]));
}

it('a schedule without steps is as long as the training, and resuming for more epochs does not change it', async () => {
  const home = process.cwd();
  onTestFinished(() => process.chdir(home));
  process.chdir(scratchFolder());
  await smallWorld('.');
  const set = ['training.schedule=cosine', 'training.logEverySteps=1', 'training.earlyStopping.patience=9'];
  const { run, steps } = await trainSmall('esmm.yaml', { set: [...set, 'training.epochs=2'] });
  const cosine = (step: number): number => Math.cos((Math.PI / 2) * (step / steps)) ** 2;
  const whole = factorsOf(run);
  expect(whole).toHaveLength(steps);
  whole.forEach((factor, step) => expect(factor).toBeCloseTo(cosine(step), 12));
  await trainSmall('esmm.yaml', { set: [...set, 'training.epochs=3'], resume: run });
  const further = factorsOf(run);
  expect(further.slice(0, steps)).toEqual(whole);
  expect(further).toHaveLength((steps * 3) / 2);
  for (const factor of further.slice(steps)) expect(factor).toBeLessThan(1e-12);
});
