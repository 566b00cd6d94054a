import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseOverride } from '../src/config/overrides.js';
import { loadConfig, parseConfig } from '../src/config/load.js';
import { models } from '../src/models/models.js';
import { train } from '../src/train.js';
import { scratchFolder } from './support/scratch.js';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'configs');
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

describe('every config that is shipped', () => {
  for (const file of files) {
    it(`${file} trains a few steps and is measured`, async () => {
      // The validation rows stand in for train, so that it takes a second.
      const valid = join(root, 'data', 'sample', 'valid.csv');
      const overrides = [`data.train=${valid}`, 'training.epochs=1', 'training.batchSize=1024', `data.cache=${scratchFolder()}`];
      const loaded = await loadConfig(join(folder, file), overrides.map(parseOverride));
      const losses: number[] = [];
      const result = await train(
        loaded,
        { device: 'cpu', runDir: join(scratchFolder(), 'run'), overrides, signal: new AbortController().signal },
        { onRead: () => undefined, onNotice: () => undefined, onStart: () => undefined, onStep: () => undefined, onMilestone: ({ loss }) => losses.push(loss.total) },
      );
      expect(result.end).toBe('finished');
      expect(losses).toHaveLength(1);
      expect(losses.every(Number.isFinite)).toBe(true);
      expect(Object.keys(result.metrics)).toEqual(['valid', 'test']);
      for (const report of Object.values(result.metrics)) {
        for (const space of Object.values(report)) expect(space.rows).toBeGreaterThan(0);
      }
    });

    it(`${file} makes its claims in its header: paper, data, score, cost, command`, () => {
      const header = readFileSync(join(folder, file), 'utf8').split('\n\n')[0]!;
      for (const claim of ['paper', 'data', 'score', 'cost', 'command']) expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
      expect(header).toContain(`npx mtl train configs/${file}`);
    });
  }

  it('and the one that is explained line by line is read', () => {
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs', 'config-by-example.md'), 'utf8'))!;
    const experiment = parseConfig(yaml!, join(folder, 'explained.yaml'));
    expect(Object.keys(experiment.features)).toEqual(['user', 'item', 'shop', 'history', 'crosses', 'prices', 'counts']);
  });

  it('has one for every model', async () => {
    const loaded = await Promise.all(files.map((file) => loadConfig(join(folder, file))));
    expect(new Set(loaded.map(({ experiment }) => experiment.model.name))).toEqual(new Set(models.names));
  });
});
