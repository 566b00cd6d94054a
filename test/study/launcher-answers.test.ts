import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { UserError } from '../../src/core/errors.js';
import { launchers } from '../../src/study/launchers/launchers.js';
import { scratchFolder } from '../support/scratch.js';

/** Puts a program of that name before all others. */
function fake(program: string, script: string): void {
  const folder = scratchFolder();
  writeFileSync(join(folder, program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, program), 0o755);
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']!}`);
}

const launch = (spec: object) =>
  launchers.build(launchers.schema.parse(spec))({ study: scratchFolder(), count: 1, mtl: ['mtl'], args: ['sweep'] });
const messageOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).exitCode).toBe(2);
  return (error as UserError).message;
};

const KUBERNETES = { name: 'kubernetes', image: 'mtl:1', volumes: { shared: '/shared' } };
const FIX = 'check that command or URL, then run the same mtl sweep again to resume';

describe('kubectl', () => {
  it.each([
    ['', 'nothing'],
    ['Job created', '"Job created"'],
  ])('that prints %j instead of a Job name is reported with its command', async (printed, found) => {
    fake('kubectl', `printf '%s' '${printed}'`);
    expect(await messageOf(launch(KUBERNETES))).toMatch(
      new RegExp(
        '^kubectl create --namespace default --filename \\S+job\\.yaml --output name: ' +
          `expected the name of a Job, such as job\\.batch/mtl-esmm-x7k2p, found ${found}; ${FIX}$`,
      ),
    );
  });

  it.each([
    ['', 'nothing'],
    ['{"kind": "Job"', '"{\\\\"kind\\\\": \\\\"Job\\\\""'],
    ['{"kind": "List"}', '"{\\\\"kind\\\\": \\\\"List\\\\"}"'],
  ])('that prints %j instead of the Job is reported with its command', async (printed, found) => {
    fake('kubectl', `case "$1" in create) echo job.batch/mtl-x-1 ;; *) printf '%s' '${printed}' ;; esac`);
    const workers = await launch(KUBERNETES);
    expect(await messageOf(workers.areAlive())).toBe(
      'kubectl get --namespace default job.batch/mtl-x-1 --output json: expected the Job as JSON, ' +
        `found ${found.replaceAll('\\\\', '\\')}; ${FIX}`,
    );
  });

  it.each([
    ['{"kind": "Job"}', true],
    ['{"kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}}', false],
  ])('that prints %s reports whether workers are alive', async (printed, areAlive) => {
    fake('kubectl', `case "$1" in create) echo job.batch/mtl-x-1 ;; *) printf '%s' '${printed}' ;; esac`);
    expect(await (await launch(KUBERNETES)).areAlive()).toBe(areAlive);
  });

  it('that fails silently is reported with its exit code', async () => {
    fake('kubectl', 'exit 7');
    expect(await messageOf(launch(KUBERNETES))).toMatch(/^kubectl create .*: failed \(7\) without an error message$/);
  });
});

describe('sbatch', () => {
  it.each([
    ['', 'nothing'],
    ['Submitted batch job', '"Submitted batch job"'],
  ])('that prints %j instead of a number is reported with its command', async (printed, found) => {
    fake('sbatch', `printf '%s' '${printed}'`);
    expect(await messageOf(launch({ name: 'slurm' }))).toMatch(
      new RegExp(`^sbatch --parsable \\S+slurm\\.sh: expected a job ID, found ${found}; ${FIX}$`),
    );
  });

  it('reports the cluster after the job ID', async () => {
    fake('sbatch', 'echo "12;east"');
    expect((await launch({ name: 'slurm' })).where).toMatch(/^1 in Slurm job array 12; logs in /);
  });
});

describe('the Ray dashboard', () => {
  /** A server that ends each answer so; gives its address. */
  async function serve(body: string, isCut = false): Promise<string> {
    const server = createServer((_, response) => {
      if (isCut) response.writeHead(200, { 'content-length': 999 });
      response.write(body);
      if (isCut) setImmediate(() => response.destroy());
      else response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each([
    ['<html>', '"<html>"'],
    ['{}', '"{}"'],
  ])('that answers %s is reported with its address', async (body, found) => {
    const address = await serve(body);
    expect(await messageOf(launch({ name: 'ray', address }))).toBe(
      `${address}/api/jobs/: expected the JSON of Ray's job API, found ${found}; ${FIX}`,
    );
  });

  it('that ends its answer early is reported with its address', async () => {
    const address = await serve('{"submission_id"', true);
    expect(await messageOf(launch({ name: 'ray', address }))).toMatch(
      new RegExp(`^${address}/api/jobs/: the answer is incomplete \\(.*\\); check that Ray is running`),
    );
  });
});
