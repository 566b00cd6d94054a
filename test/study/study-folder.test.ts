/** @module-tag long */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunFolder } from '../../src/runs/run-folder.js';
import { readStudy } from '../../src/study/study.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-study-'));
  await smallWorld(world);
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

/** Writes a study of one trial that has the name of its config. */
function writeStudy(): string {
  const path = join(scratchFolder(), 'esmm.yaml');
  writeFileSync(
    path,
    `config: ${join(world, 'esmm.yaml')}\nmetric: ctcvr.auc\nset: { training.epochs: 1 }\n` +
      'space: { training.batchSize: [256] }\nsearch: grid\n',
  );
  return path;
}

describe('the directory of a study', () => {
  it('differs from that of runs, even if the study has the name of its config', { timeout: 120_000 }, async () => {
    const cwd = scratchFolder();
    expect(
      (await mtl(cwd, ['train', join(world, 'esmm.yaml'), '--set', 'training.epochs=1', '--json'])).stdout,
    ).toContain('"run":"runs/esmm/001"');
    const swept = await mtl(cwd, ['sweep', writeStudy(), '--json']);
    expect([swept.code, swept.stderr]).toEqual([0, expect.stringContaining('study   runs/studies/esmm, new')]);
    // Its trials are runs like others.
    const { runs } = JSON.parse((await mtl(cwd, ['runs', '--json'])).stdout) as { runs: readonly { run: string }[] };
    expect(runs.map(({ run }) => run).sort()).toEqual(['runs/esmm/001', 'runs/studies/esmm/001/seed-11']);
  });

  it('is suggested by the error for a directory that is not a study', () => {
    const cwd = scratchFolder();
    mkdirSync(join(cwd, 'runs', 'esmm'), { recursive: true });
    expect(() => readStudy(join(cwd, 'runs', 'esmm'))).toThrow(
      'not a study: it has no study.json; name a directory created by mtl sweep, such as runs/studies/esmm',
    );
    mkdirSync(join(cwd, 'runs', 'studies', 'esmm'), { recursive: true });
    writeFileSync(join(cwd, 'runs', 'studies', 'esmm', 'study.json'), '{}');
    expect(() => readStudy(join(cwd, 'runs', 'esmm'))).toThrow(
      `not a study: it has no study.json; use ${join(cwd, 'runs', 'studies', 'esmm')}`,
    );
  });

  it('differs from the run directories of a config', async () => {
    await expect(createRunFolder({ configName: 'studies' })).rejects.toThrow(
      "'studies' is reserved for the directory of studies; rename the config",
    );
  });
});
