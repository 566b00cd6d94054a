/** @module-tag long */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mtl } from '../support/mtl.js';
import { smallWorld } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-log-level-'));
  await smallWorld(world);
});

/** A training run that learns nothing, which causes a warning. */
const train = (...args: string[]) =>
  mtl(world, [
    'train',
    'esmm.yaml',
    '--set=training.epochs=1',
    '--set=training.optimizer.dense.learningRate=1e-9',
    '--set=training.optimizer.embeddings.learningRate=1e-9',
    ...args,
  ]);

describe('--quiet and --log-level', () => {
  it('print warnings only, or fatal errors only', async () => {
    const [usual, quiet, silent] = [await train(), await train('--quiet'), await train('--log-level', 'error')];
    expect(usual.stdout).toMatch(
      /^(training\.optimizer\.\w+\.learningRate is 1e-9, .*\n){2}run {5}runs\/esmm\/001\n(.|\n)*no better than chance(.|\n)*run directory/,
    );
    expect(quiet.stdout).toMatch(/^(training\.optimizer\.\w+\.learningRate is 1e-9, .*\n){2}(test \w+: AUC .*\n)+$/);
    expect([quiet.code, quiet.stderr]).toEqual([0, '']);
    expect(silent).toEqual({ code: 0, stdout: '', stderr: '' });
    const json = await train('--log-level=error', '--json');
    expect([JSON.parse(json.stdout), json.stderr]).toEqual([expect.objectContaining({ run: 'runs/esmm/004' }), '']);
  });

  it('do not hide errors, and exclude each other', async () => {
    expect(await train('--log-level=error', '--set=model.nme=x')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: .*unknown key/) as string,
    });
    expect(await train('--log-level=warn', '--quiet')).toMatchObject({
      code: 2,
      stderr: 'error: --quiet and --log-level are mutually exclusive; remove one of them; see npx mtl train --help\n',
    });
    expect((await train('--log-level=debug')).stderr).toMatch(/--log-level: expected error, warn.*found "debug"/);
  });
});
