import { describe, expect, it } from 'vitest';
import { nextCommands } from '../../src/cli/next-commands.js';
import { dataOptions } from '../../src/data/options.js';

describe('the suggested commands after a run', () => {
  const predictOf = (data: object, run = 'runs/esmm/001'): string =>
    nextCommands(run, dataOptions.parse(data)).split('\n')[1]!;

  it('predict the test set, else the validation set, else a placeholder', () => {
    expect(predictOf({ train: 'a.csv', valid: 'b.csv', test: 'c.csv' })).toBe(
      '  npx mtl predict runs/esmm/001 --data c.csv --out predictions.csv',
    );
    expect(predictOf({ train: 'a.csv', valid: ['b.csv', 'b2.csv'] })).toContain('--data b.csv ');
    expect(predictOf({ train: 'a.csv' })).toContain('--data FILE ');
  });

  it('are quoted for a shell', () => {
    expect(predictOf({ train: 'a.csv', test: "it's/*.csv" }, 'runs/my run')).toBe(
      "  npx mtl predict 'runs/my run' --data 'it'\\''s/*.csv' --out predictions.csv",
    );
  });
});
