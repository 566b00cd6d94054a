import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { train } from '../../src/train.js';
import { scratchFolder } from '../support/scratch.js';

// Loss curves of the shipped configs. A refactoring leaves them untouched; a change of numbers rewrites them
// (npx vitest run test/golden -u) in the same commit, which says why. A new config fails until -u has written its
// curve.

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'configs');

/** Trains a config for two epochs and holds its losses to the curve of this name. */
async function follow(file: string, name: string, set: readonly string[] = []): Promise<void> {
  const valid = join(root, 'data', 'sample', 'valid.csv');
  const overrides = [
    `data.train=${valid}`,
    'data.test=null',
    'training.epochs=2',
    'training.earlyStopping=null',
    `data.cache=${scratchFolder()}`,
    ...set,
  ];
  const loaded = await loadConfig(join(folder, file), overrides.map(parseOverride));
  const curve: string[] = [];
  await train(
    loaded,
    {
      device: 'cpu',
      portable: true,
      runDir: join(scratchFolder(), 'run'),
      overrides,
      signal: new AbortController().signal,
    },
    {
      onRead: () => undefined,
      onWarning: () => undefined,
      onStart: () => undefined,
      onStep: () => undefined,
      onValidation: ({ epoch, loss, valid: measured }) => {
        const terms = Object.entries(loss.losses).map(([term, value]) => `${term} ${value.toFixed(4)}`);
        curve.push(`epoch ${epoch}: ${terms.join(', ')}; valid ${measured!.loss.toFixed(4)}`);
      },
    },
  );
  await expect(`${curve.join('\n')}\n`).toMatchFileSnapshot(join(import.meta.dirname, `${name}.txt`));
}

describe('loss curves stay as they were', () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    it(file, () => follow(file, basename(file, '.yaml')));
  }

  it('with batch norm and dropout, which the shipped configs have no use for', () =>
    follow('mmoe.yaml', 'mmoe-batch-norm', [
      'model.experts={ count: 8, hidden: [16], dropout: 0.2, batchNorm: true }',
      'model.tower={ hidden: [8], dropout: 0.2, batchNorm: true }',
      'model.gate={ batchNorm: true }',
    ]));
});
