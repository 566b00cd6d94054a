/** @module-tag long */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keptConfig, keptSpeed, measureConfig, measureSpeed } from '../../bench/models/measure.js';
import { plantedLog } from '../../bench/models/planted.js';
import { modelsTable, withSection } from '../../bench/models/table.js';
import { count } from '../../bench/results.js';
import { scratchFolder } from '../support/scratch.js';

const config = join(import.meta.dirname, '..', '..', 'configs', 'esmm.yaml');

describe('npm run bench -- models', () => {
  it('trains on a planted log, measures unobserved outcomes too, and stores results next to the truth', async () => {
    const log = await plantedLog(scratchFolder(), 'biased', 3000);
    expect(await plantedLog(join(log.folder, '..'), 'biased', 3000)).toEqual(log);
    const options = { threads: 1, set: ['training.epochs=2'] };
    const runs = [
      await measureConfig(config, log, { seed: 1, ...options }),
      await measureConfig(config, log, { seed: 2, ...options }),
    ];
    const [first] = runs;
    expect(first).toMatchObject({
      config: 'esmm',
      seed: 1,
      epochs: 2,
      test: { ctr: { rows: 2000 }, ctcvr: { rows: 2000 } },
      clicked: { cvr: { rows: 2000 } },
    });
    expect(first!.test['cvr']!.rows).toBeLessThan(1000);
    expect(first!.numWeights).toBeGreaterThan(10_000);
    // Another seed and other changes are other trainings; a comment is not.
    const commented = join(scratchFolder(), 'esmm.yaml');
    writeFileSync(commented, `# Another header.\n${readFileSync(config, 'utf8')}`);
    expect(keptConfig(commented, log, { seed: 1, ...options })).toEqual(first);
    expect(keptConfig(config, log, { seed: 3, ...options })).toBeUndefined();
    expect(keptConfig(config, log, { seed: 1, threads: 1 })).toBeUndefined();
    // Of a second call nothing is trained: what is kept is what is given.
    const kept = readdirSync(join(log.folder, 'measured')).find((file) => file.startsWith('esmm-1-'))!;
    writeFileSync(join(log.folder, 'measured', kept), JSON.stringify({ ...first, bestEpoch: 77 }));
    expect(await measureConfig(config, log, { seed: 1, ...options })).toEqual({ ...first, bestEpoch: 77 });
    expect(runs[1]!.test['ctr']!['auc']).not.toBe(first!.test['ctr']!['auc']);
    expect(existsSync(join(log.folder, 'runs', 'esmm'))).toBe(false);

    const lines = [
      { config, runs, rowsPerSecond: 123_400 },
      { config: 'none.yaml', runs: [], rowsPerSecond: undefined },
    ];
    const cellsOf = (name: 'plain' | 'biased'): readonly string[][] =>
      modelsTable(name, log, lines)
        .split('\n')
        .map((row) =>
          row
            .split('|')
            .map((cell) => cell.trim())
            .slice(1, -1),
        );
    const [head, , truth, seen, line, none] = cellsOf('biased');
    expect(head!.slice(1)).toEqual(['cvr, where clicked', 'cvr, were all clicked', 'seeds']);
    expect(truth![2]).toBe((log.oracle['test-clicked']!['cvr']!['auc'] as number).toFixed(4));
    // What is true of those who clicked is not quite what is true of all.
    const [all, clicked] = [log.oracle['test-clicked']!['cvr']!['auc'] as number, log.seen['cvr']!['auc'] as number];
    expect(clicked).toBeGreaterThan(all - 0.02);
    expect(clicked).not.toBe(all);
    expect(seen![2]).toMatch(new RegExp(`^${clicked.toFixed(4).replace('.', '\\.')} `));
    expect(line![0]).toBe('esmm');
    const mean = ((runs[0]!.clicked['cvr']!['auc'] as number) + (runs[1]!.clicked['cvr']!['auc'] as number)) / 2;
    expect(line![2]).toMatch(new RegExp(`^${mean.toFixed(4).replace('.', '\\.')} \\([−+]\\d+ ± \\d+\\)$`));
    expect(line![3]).toBe('2');
    expect(none).toEqual(['none', '–', '–', '0']);

    const [plainHead, , , plain, plainNone] = cellsOf('plain');
    expect(plainHead!.slice(1, 5)).toEqual(['ctr', 'cvr, where clicked', 'ctcvr', 'seeds']);
    expect(plain!.slice(4)).toEqual(['2', count(first!.numWeights), '123,000']);
    expect(plainNone).toEqual(['none', '–', '–', '–', '0', '–', '–']);
  });

  it('measures speed apart, and keeps it for the table', async () => {
    const log = await plantedLog(scratchFolder(), 'plain', 3000);
    const options = { seed: 1, threads: 1 };
    expect(keptSpeed(config, log, options)).toBeUndefined();
    const rowsPerSecond = await measureSpeed(config, log, options);
    expect(rowsPerSecond).toBeGreaterThan(0);
    // Of a log with more rows too: a speed is no matter of the log.
    expect(keptSpeed(config, await plantedLog(join(log.folder, '..'), 'plain', 4000), options)).toBe(rowsPerSecond);
  });

  it('writes its tables between the marks of a page', () => {
    const page = 'Before.\n<!-- plain log -->\nold\n<!-- /plain log -->\nBehind.\n';
    expect(withSection(page, 'plain log', '| new |')).toBe(
      'Before.\n<!-- plain log -->\n| new |\n<!-- /plain log -->\nBehind.\n',
    );
    expect(() => withSection(page, 'biased log', '')).toThrow('<!-- biased log -->');
  });
});
