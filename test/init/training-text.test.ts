import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { init } from '../../src/init.js';
import { scratchFolder } from '../support/scratch.js';

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

interface Config {
  readonly training: { readonly ema?: object };
  readonly calibration: object;
}

/** Proposes a config for rows of this many users. */
async function propose(users: number) {
  const lines = Array.from({ length: 3000 }, (_, row) => `u${row % users},${(row * 31) % 97},${Number(row % 10 < 3)}`);
  writeFileSync('log.csv', ['user,size,click', ...lines].join('\n'));
  const { config } = await init({
    data: 'log.csv',
    valid: undefined,
    test: undefined,
    model: undefined,
    labels: [],
    out: 'mine.yaml',
    force: true,
  });
  const text = readFileSync(config, 'utf8');
  return { text, yaml: parse(text) as Config };
}

describe('mtl init', () => {
  it.each([
    [999, undefined],
    [1000, { decay: 0.999 }],
  ] as const)('averages the weights if an id has a thousand values: %i', async (users, ema) => {
    const { yaml, text } = await propose(users);
    expect(yaml.training.ema).toEqual(ema);
    expect(text.includes('an id of user has few rows')).toBe(ema !== undefined);
  });

  it('calibrates predictions on the validation set', async () => {
    const { yaml } = await propose(10);
    expect(yaml.calibration).toEqual({ method: 'platt' });
  });
});
