/** @module-tag long */
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { synth } from '../../src/synth.js';
import { codeBlocks, installHere } from '../support/code-blocks.js';
import { MPI_ENVIRONMENT, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { shell } from '../support/shell.js';
import { needsSlurm, startSlurm } from '../support/slurm.js';
import { smallWorld } from '../support/small-run.js';

const PAGE = readFileSync(
  join(import.meta.dirname, '..', '..', 'docs', 'how-to', 'train-on-several-machines.md'),
  'utf8',
);
const blockOf = (language: string): string => codeBlocks(PAGE).find((block) => block.language === language)!.text;

let cwd: string;
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'mtl-cluster-'));
  await smallWorld(cwd);
  renameSync(join(cwd, 'mmoe.yaml'), join(cwd, 'train.yaml'));
  installHere(cwd);
});

describe('page on clusters', () => {
  /** Adapts a command to the launcher of the tests; the machine may have fewer cores than processes. */
  const launched = (command: string): string =>
    command.replace(
      'mpirun',
      [
        ...Object.entries(MPI_ENVIRONMENT).map(([name, value]) => `${name}=${value}`),
        OPEN_MPI.launcher,
        ...OPEN_MPI.options,
      ].join(' '),
    );

  it('has a working training command', { timeout: 120_000 }, async (context) => {
    needsMpi(context, OPEN_MPI);
    const { stdout } = await shell(cwd, launched(blockOf('sh')));
    expect(stdout).toContain('run directory runs/');
  });

  it('has a working prepare command', { timeout: 120_000 }, async (context) => {
    needsMpi(context, OPEN_MPI);
    await synth({
      folder: join(cwd, 'downloads'),
      seed: 5,
      users: 50,
      items: 30,
      rates: { click: 0.3, purchase: 0.3 },
      rows: { train: 500, test: 200 },
      format: 'raw',
    });
    const { stdout } = await shell(
      cwd,
      launched(codeBlocks(PAGE).find(({ text }) => text.includes('mtl prepare'))!.text),
    );
    expect(stdout).toContain('next: npx mtl train data/ali-ccp/config.yaml');
  });

  it('has a script that trains on Slurm', { timeout: 300_000 }, async (context) => {
    needsMpi(context, OPEN_MPI);
    needsSlurm(context);
    const slurm = await startSlurm(context, mkdtempSync(join(tmpdir(), 'mtl-slurm-')));
    // Both nodes are this machine, which Open MPI does not detect.
    const network = {
      ...MPI_ENVIRONMENT,
      OMPI_MCA_btl: 'self,tcp',
      OMPI_MCA_btl_tcp_if_include: 'lo',
      OMPI_MCA_pml: 'ob1',
    };
    try {
      const script = join(cwd, 'train.sh');
      writeFileSync(script, blockOf('bash').replace('npx mtl', 'node node_modules/.bin/mtl'));
      chmodSync(script, 0o755);
      Object.assign(process.env, network);
      slurm.run('sbatch', '--wait', `--chdir=${cwd}`, '--output=train.log', script);
      expect(readFileSync(join(cwd, 'train.log'), 'utf8')).toContain('run directory runs/large');
      expect(existsSync(join(cwd, 'runs/large/results.csv'))).toBe(true);
    } finally {
      for (const name of Object.keys(network)) Reflect.deleteProperty(process.env, name);
      slurm.stop();
    }
  });
});
