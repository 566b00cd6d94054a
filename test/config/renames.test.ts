import { describe, expect, it } from 'vitest';
import { parseConfig, parseStoredConfig } from '../../src/config/load.js';

const CONFIG = `
data: { train: train.csv }
features: { user: { type: categorical, fields: [user], width: 2, encoding: { name: hash, buckets: 10 } } }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { epochs: 1, batchSize: 8, average: { decay: 0.5 } }
`;

describe('a config with the key names of an earlier version', () => {
  it('names the new key', () => {
    expect(() => parseConfig(CONFIG, 'c.yaml')).toThrow("'average' is now 'ema'");
  });

  it('loads if it is stored with a run or a study', () => {
    expect(parseStoredConfig(CONFIG, 'c.yaml').training.ema).toEqual({ decay: 0.5 });
  });
});
