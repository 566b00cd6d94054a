/** @module-tag long */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, traceOf } from '../support/small-run.js';

const SETTINGS = [
  'evaluation.metrics=[auc, normalizedEntropy, logLoss]',
  'training.monitor=ctr.normalizedEntropy',
  'training.ema.decay=0.5',
  'checkpoints={ bestBy: [loss, ctcvr.normalizedEntropy] }',
];

/** Renames keys and metrics of a run's files back to those of an earlier version. */
function makeEarlier(run: string): void {
  const rewrite = (path: string): void =>
    writeFileSync(
      path,
      readFileSync(path, 'utf8')
        .replaceAll('normalizedEntropy', 'normalisedEntropy')
        .replace(/^( {2})ema:/m, '$1average:'),
    );
  for (const file of ['config.resolved.yaml', 'metrics.jsonl', 'summary.json']) rewrite(join(run, file));
  const checkpoints = join(run, 'checkpoints');
  for (const name of readdirSync(checkpoints)) {
    const path = join(checkpoints, name);
    if (lstatSync(path).isSymbolicLink()) {
      renameSync(path, join(checkpoints, name.replace('normalized', 'normalised')));
      continue;
    }
    const manifest = join(path, 'manifest.json');
    const { files, ...others } = JSON.parse(readFileSync(manifest, 'utf8')) as { files: Record<string, object> };
    for (const file of ['config.yaml', 'state.json']) {
      rewrite(join(path, file));
      const content = readFileSync(join(path, file));
      files[file] = { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    }
    writeFileSync(manifest, JSON.stringify({ files, ...others }));
  }
}

describe('a run with keys and metrics of an earlier version', () => {
  it('is listed, evaluated and resumed as one of this version', { timeout: 120_000 }, async () => {
    const cwd = scratchFolder();
    await smallWorld(cwd);
    const settings = [...SETTINGS, 'training.epochs=2'].flatMap((set) => ['--set', set]);
    const trained = await mtl(cwd, ['train', 'esmm.yaml', '--run-dir', 'now', ...settings, '--json']);
    expect([trained.code, trained.stderr]).toEqual([0, expect.any(String)]);
    cpSync(join(cwd, 'now'), join(cwd, 'earlier'), { recursive: true, verbatimSymlinks: true });
    makeEarlier(join(cwd, 'earlier'));

    const listed = async (run: string): Promise<unknown> => {
      const { runs } = JSON.parse((await mtl(cwd, ['runs', run, '--json'])).stdout) as { runs: readonly object[] };
      return runs.map((each) => ({ ...each, run: '' }));
    };
    expect(await listed('earlier')).toEqual(await listed('now'));
    const { metrics } = JSON.parse((await mtl(cwd, ['eval', 'earlier', '--json'])).stdout) as { metrics: object };
    expect(metrics).toMatchObject({ test: { ctr: { normalizedEntropy: expect.any(Number) as number } } });

    for (const run of ['now', 'earlier']) {
      const { code, stderr } = await mtl(cwd, ['train', '--resume', run, '--set', 'training.epochs=4']);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('is now')]);
    }
    const [now, earlier] = ['now', 'earlier'].map((run) => traceOf(join(cwd, run)));
    expect(earlier).toEqual({
      ...now,
      // Lines that are already written stay.
      metrics: expect.stringMatching(/normalisedEntropy[^]*normalizedEntropy/) as string,
    });
    const links = (run: string): readonly string[] =>
      readdirSync(join(cwd, run, 'checkpoints')).filter((name) => !name.startsWith('step-'));
    expect(links('earlier')).toEqual(links('now'));
    expect(links('earlier')).toContain('best-ctcvr.normalizedEntropy');
    expect(existsSync(join(cwd, 'earlier', 'checkpoints', 'best-ctcvr.normalizedEntropy'))).toBe(true);
    expect(parse(readFileSync(join(cwd, 'earlier', 'config.resolved.yaml'), 'utf8'))).toMatchObject({
      training: { monitor: 'ctr.normalizedEntropy', ema: { decay: 0.5 } },
    });
  });
});
