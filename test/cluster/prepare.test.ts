/** @module-tag long */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { UserError } from '../../src/core/errors.js';
import { prepare, type PrepareOptions } from '../../src/prepare.js';
import { synth } from '../../src/synth.js';
import { describeEachMpi, MPICH, mpirun, needsMpi, OPEN_MPI, type Mpi } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const SCRIPT = join(import.meta.dirname, '..', 'support', 'prepare-script.js');

let raw: string;
beforeAll(async () => {
  raw = mkdtempSync(join(tmpdir(), 'mtl-mpi-raw-'));
  await synth({
    folder: raw,
    seed: 9,
    users: 150,
    items: 300,
    rates: { click: 0.25, purchase: 0.2 },
    rows: { train: 3000, test: 1000 },
    format: 'raw',
    bagMean: 12,
    badEvery: 450,
  });
});

beforeEach((context) => [OPEN_MPI, MPICH].forEach((mpi) => needsMpi(context, mpi)));

/** Several chunks per file. */
const optionsFor = (out: string, from = raw): Omit<PrepareOptions, 'signal'> => ({
  raw: from,
  out,
  seed: 3,
  validShare: 0.2,
  maxBadRows: 100,
  threads: 2,
  chunkBytes: 60_000,
});
const alone = (options: Omit<PrepareOptions, 'signal'>) =>
  prepare({ ...options, signal: new AbortController().signal }, () => undefined);

/** Reads all files of a directory for a bytewise comparison. */
function contents(folder: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(folder, file)).isFile(),
  );
  return Object.fromEntries(files.sort().map((file) => [file, readFileSync(join(folder, file)).toString('base64')]));
}

const errorsOf = (stderr: string): readonly string[] => stderr.match(/error: [^\r\n]*/g) ?? [];

/** Runs prepare with several processes. */
async function together(
  mpi: Mpi,
  processes: number,
  options: Omit<PrepareOptions, 'signal'>,
  ...node: readonly string[]
): Promise<{ readonly code: number | null; readonly errors: readonly string[] }> {
  const { code, stderr } = await mpirun(mpi, processes, '.', [...node, SCRIPT, JSON.stringify(options)]);
  return { code, errors: errorsOf(stderr) };
}

describeEachMpi('mtl prepare under', 240_000, (mpi) => {
  it.each([1, 2, 3])('writes with %i processes the output of one', async (processes) => {
    const cwd = scratchFolder();
    await alone(optionsFor(join(cwd, 'alone')));
    expect(await together(mpi, processes, optionsFor(join(cwd, 'together')))).toEqual({ code: 0, errors: [] });
    expect(Object.keys(contents(join(cwd, 'alone')))).toContain('rejects.csv');
    expect(contents(join(cwd, 'together'))).toEqual(contents(join(cwd, 'alone')));
    // The output is complete.
    expect(await together(mpi, processes, optionsFor(join(cwd, 'together')))).toEqual({ code: 0, errors: [] });
  });
});

describe('mtl prepare with several processes', { timeout: 240_000 }, () => {
  it('prints the output of one process', { tags: ['nightly'] }, async () => {
    const cwd = scratchFolder();
    const command = ['prepare', 'ali-ccp', raw, 'out', '--max-bad-rows', '100', '--json'];
    const one = await mtl(cwd, command);
    const found = contents(join(cwd, 'out'));
    rmSync(join(cwd, 'out'), { recursive: true });
    // Open MPI sometimes loses the first 4 KiB of an output while the machine is busy.
    const { code, stdout } = await mpirun(MPICH, 2, cwd, [BIN, ...command]);
    expect({ code, stdout }).toEqual({ code: one.code, stdout: one.stdout });
    expect(contents(join(cwd, 'out'))).toEqual(found);
  });

  it('reports an error once, like one process', async () => {
    const cwd = scratchFolder();
    const options = { ...optionsFor(join(cwd, 'alone')), maxBadRows: 1, threads: 1 };
    const expected = await alone(options).then(
      () => undefined,
      (error: unknown) => error as UserError,
    );
    expect(await together(OPEN_MPI, 3, { ...options, out: join(cwd, 'together') })).toEqual({
      code: expected!.exitCode,
      errors: [`error: ${expected!.message}`],
    });
    // All ranks detect this one.
    const { errors } = await together(OPEN_MPI, 3, optionsFor(cwd));
    expect(errors).toEqual([expect.stringContaining('is not empty')]);
  });

  it('resumes after a killed process with any number of processes', async () => {
    const cwd = scratchFolder();
    await alone(optionsFor(join(cwd, 'alone')));
    // Kills rank 1 as soon as a piece is done.
    const parsed = join(cwd, 'together/.work/skeleton');
    const killing =
      `data:text/javascript,import{readdirSync}from'node:fs';if(process.env.OMPI_COMM_WORLD_RANK==='1')setInterval` +
      `(()=>{try{if(readdirSync('${parsed}').length>0)process.kill(process.pid,'SIGKILL')}catch{}},5)`;
    expect((await together(OPEN_MPI, 2, optionsFor(join(cwd, 'together')), '--import', killing)).code).not.toBe(0);
    expect(existsSync(join(cwd, 'together/summary.json'))).toBe(false);
    expect(await together(OPEN_MPI, 3, optionsFor(join(cwd, 'together')))).toEqual({ code: 0, errors: [] });
    expect(contents(join(cwd, 'together'))).toEqual(contents(join(cwd, 'alone')));
  });
});
