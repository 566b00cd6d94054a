/** @module-tag long */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

interface Swept {
  readonly end: string;
  readonly trials: readonly { readonly value: number; readonly point: object; readonly elapsedMs: number }[];
}

const STUDY = `config: esmm.yaml
metric: ctr.normalizedEntropy
set:
  evaluation.metrics: [auc, normalizedEntropy]
  training.epochs: 1
  training.ema.decay: 0.5
  training.schedule: { name: constant, warmup: { steps: 4 } }
space:
  training.biasInit: [prior, random]
  training.schedule.warmup.startFactor: { type: choices, values: [0.25, 0.5], when: { training.biasInit: [random] } }
search: grid
`;

/** Old names by the current ones, as in JSON. */
const EARLIER: readonly (readonly [string, string])[] = [
  ['normalizedEntropy', 'normalisedEntropy'],
  ['training.ema.decay', 'training.average.decay'],
  ['training.biasInit', 'training.firstBias'],
  ['"prior"', '"labels"'],
  ['"random"', '"drawn"'],
  ['warmup.startFactor', 'warmup.firstFactor'],
];

/** Renames keys, values and metrics of a study's files back to those of an earlier version. */
function makeEarlier(study: string): void {
  const journal = join(study, 'journal');
  for (const path of [join(study, 'study.json'), ...readdirSync(journal).map((name) => join(journal, name))])
    writeFileSync(
      path,
      EARLIER.reduce((text, [now, earlier]) => text.replaceAll(now, earlier), readFileSync(path, 'utf8')),
    );
}

describe('a study that sets and varies keys of an earlier version', () => {
  it('is shown, and resumed as one of this version', { timeout: 240_000 }, async () => {
    const sweep = async (cwd: string, trials: number): Promise<Swept> => {
      const { code, stdout, stderr } = await mtl(cwd, ['sweep', 'small.yaml', '--set', `trials=${trials}`, '--json']);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
      return JSON.parse(stdout) as Swept;
    };
    const withoutTimes = ({ trials }: Swept): readonly object[] => trials.map((trial) => ({ ...trial, elapsedMs: 0 }));
    const cwd = scratchFolder();
    await smallWorld(cwd);
    writeFileSync(join(cwd, 'small.yaml'), STUDY);
    const first = await sweep(cwd, 2);
    expect(first.trials).toHaveLength(2);
    const study = join(cwd, 'runs', 'studies', 'small');
    makeEarlier(study);
    expect(readFileSync(join(study, 'study.json'), 'utf8')).toContain('"training.average.decay"');

    const shown = JSON.parse((await mtl(cwd, ['sweep', 'show', 'runs/studies/small', '--json'])).stdout) as Swept;
    expect(shown.trials).toEqual(first.trials);
    const resumed = await sweep(cwd, 3);
    expect([resumed.end, resumed.trials.length]).toEqual(['finished', 3]);

    const other = scratchFolder();
    await smallWorld(other);
    writeFileSync(join(other, 'small.yaml'), STUDY);
    expect(withoutTimes(resumed)).toEqual(withoutTimes(await sweep(other, 3)));
  });
});
