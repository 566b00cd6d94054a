/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { stringify } from 'yaml';
import { beforeAll, describe, expect, it } from 'vitest';
import { jobManifest } from '../../src/study/launchers/kubernetes.js';
import { launchers } from '../../src/study/launchers/launchers.js';
import { jobScript } from '../../src/study/launchers/slurm.js';
import { mtl } from '../support/mtl.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { needsSlurm, startSlurm } from '../support/slurm.js';
import { smallWorld } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-launch-'));
  await smallWorld(world);
});

const TRIALS = 6;
/** After which a study on Slurm is given up, and it is told what Slurm says. */
const PATIENCE_MS = 500_000;

/** A folder with a study of six trials and two workers. */
function studyWith(launcher: string): { readonly cwd: string; readonly file: string } {
  const cwd = scratchFolder();
  const file = join(cwd, 'small.yaml');
  writeFileSync(
    file,
    `config: ${join(world, 'esmm.yaml')}\nmetric: ctcvr.auc\nset: { training.epochs: 2 }\n` +
      'space: { training.batchSize: [8, 16, 24, 32, 48, 64] }\nsearch: { name: grid }\nparallel: 2\n' +
      `launcher: ${launcher}\n`,
  );
  return { cwd, file };
}

/** That every trial was done once, by as many workers. */
function expectAllOnce(cwd: string, stdout: string): void {
  const { end, trials } = JSON.parse(stdout) as { end: string; trials: readonly { number: number; state: string }[] };
  expect(end).toBe('finished');
  expect(trials.map(({ number }) => number).sort()).toEqual(Array.from({ length: TRIALS }, (_, i) => i + 1));
  expect(trials.every(({ state }) => state === 'finished')).toBe(true);
  expect(
    readdirSync(join(cwd, 'runs', 'studies', 'small', 'journal')).filter((name) => name.includes('.result.')),
  ).toHaveLength(TRIALS);
}

describe('the launcher', () => {
  it('command starts a shell command for each worker', { timeout: 120_000 }, async () => {
    const { cwd, file } = studyWith("{ name: command, run: 'echo I am {worker} of {study} > said-{worker}; {mtl}' }");
    const { code, stdout } = await mtl(cwd, ['sweep', file, '--json']);
    expect(code).toBe(0);
    expectAllOnce(cwd, stdout);
    expect([1, 2].map((worker) => readFileSync(join(cwd, `said-${worker}`), 'utf8'))).toEqual(
      [1, 2].map((worker) => `I am ${worker} of ${join(cwd, 'runs', 'studies', 'small')}\n`),
    );
  });

  it(
    'command tells workers which kernels are asked for, whatever environment they have',
    { timeout: 120_000 },
    async () => {
      const { cwd, file } = studyWith("{ name: command, run: 'env -u MTL_KERNELS {mtl}' }");
      const { code, stdout } = await mtl(cwd, ['sweep', file, '--set', 'parallel=1', '--kernels', 'wasm', '--json']);
      expect(code).toBe(0);
      expectAllOnce(cwd, stdout);
      const { trials } = JSON.parse(stdout) as { trials: readonly { runs: readonly string[] }[] };
      const { command, engine } = JSON.parse(
        readFileSync(join(cwd, 'runs', 'studies', 'small', trials[0]!.runs[0]!, 'environment.json'), 'utf8'),
      ) as { command: readonly string[]; engine: { description: string } };
      expect([command.join(' '), engine.description]).toEqual([
        expect.stringContaining('--kernels wasm'),
        expect.not.stringContaining('native'),
      ]);
    },
  );

  it('command reports the output of a failing command', { timeout: 60_000 }, async () => {
    const { cwd, file } = studyWith("{ name: command, run: 'echo no such host: {study} >&2; exit 3' }");
    const { code, stderr } = await mtl(cwd, ['sweep', file]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/the workers failed; end of this log: no such host: \/\S*runs\/studies\/small/),
    ]);
  });

  it(
    'slurm takes a job array on a real Slurm, and a task that is queued again goes on',
    { timeout: 600_000 },
    async (context) => {
      needsSlurm(context);
      const slurm = await startSlurm(context, scratchFolder());
      try {
        const { cwd, file } = studyWith("{ name: slurm, options: ['--partition=p'] }");
        let isRequeued = false;
        const timer = setInterval(() => {
          // The first task that runs is taken from its node once, as a preemption does.
          const running = slurm
            .run('squeue', '--noheader', '--states=RUNNING', '--format=%i')
            .split('\n')
            .filter((id) => id.includes('_'));
          const claims = existsSync(join(cwd, 'runs', 'studies', 'small', 'journal'))
            ? readdirSync(join(cwd, 'runs', 'studies', 'small', 'journal')).filter((name) => name.includes('.claim-'))
            : [];
          if (!isRequeued && running.length > 0 && claims.length > 0) {
            slurm.run('scontrol', 'requeue', running[0]!);
            // Slurm keeps it two minutes from its nodes otherwise.
            slurm.run('scontrol', 'update', `JobId=${running[0]!}`, 'StartTime=now');
            isRequeued = true;
          }
        }, 500);
        const over = new AbortController();
        const late = setTimeout(PATIENCE_MS, undefined, { signal: over.signal }).then(() => {
          throw new Error(`the sweep does not end\n${slurm.warn()}`);
        });
        const { code, stdout, stderr } = await Promise.race([mtl(cwd, ['sweep', file, '--json']), late]).finally(() => {
          clearInterval(timer);
          over.abort();
        });
        expect([code, stderr]).toEqual([0, expect.stringMatching(/in Slurm job array \d+/)]);
        expect(isRequeued).toBe(true);
        expectAllOnce(cwd, stdout);
        expect(
          readdirSync(join(cwd, 'runs', 'studies', 'small', 'workers')).filter((name) => name.endsWith('.log')).length,
        ).toBeGreaterThan(0);
      } finally {
        slurm.stop();
      }
    },
  );

  it('slurm writes a valid script for any directory name', () => {
    const study = "/a folder/it's";
    const script = jobScript({ study, count: 3, mtl: ['echo'], args: ['sweep', 'worker', study] }, ['--time=1:00:00']);
    expect(script).toContain('#SBATCH --array=1-3\n');
    expect(script).toContain('#SBATCH --time=1:00:00\n');
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`sweep worker ${study}\n`);
  });

  it('kubernetes builds an Indexed Job that matches the official schema', (context) => {
    needsPython(context, 'kubernetes_validate');
    const spec = launchers.schema.parse({
      name: 'kubernetes',
      image: 'mtl:1',
      volumes: { shared: '/shared' },
      resources: { cpu: 4, memory: '8Gi' },
    });
    const manifest = jobManifest(
      {
        study: '/shared/runs/ESMM.sweep_1',
        count: 5,
        mtl: ['node', '/here/mtl.js'],
        args: ['sweep', 'worker', '/shared/runs/ESMM.sweep_1'],
      },
      spec as never,
    );
    expect(manifest).toMatchObject({
      metadata: { generateName: 'mtl-esmm-sweep-1-' },
      spec: {
        completions: 5,
        completionMode: 'Indexed',
        template: {
          spec: { containers: [{ command: ['npx', 'mtl', 'sweep', 'worker', '/shared/runs/ESMM.sweep_1'] }] },
        },
      },
    });
    const check =
      'import sys, yaml, kubernetes_validate\n' +
      `kubernetes_validate.validate(yaml.safe_load(open(sys.argv[1])), '1.30', strict=True)\nprint('valid')`;
    const path = join(scratchFolder(), 'job.yaml');
    writeFileSync(path, stringify(manifest));
    expect(python(scratchFolder(), check, [path])).toBe('valid\n');
    // And the check can fail.
    writeFileSync(path, stringify(manifest).replace('completions: 5', 'completions: many'));
    expect(() => python(scratchFolder(), check, [path])).toThrow();
  });

  it('ray submits jobs to a real Ray through its REST API', { timeout: 300_000 }, async (context) => {
    const ray = process.env['MTL_RAY'] ?? 'ray';
    if (spawnSync(ray, ['--version'], { stdio: 'ignore' }).status !== 0)
      context.skip(`there is no ${ray}: pip install "ray[default]", or name it with MTL_RAY`);
    const port = 28265;
    execFileSync(
      ray,
      [
        'start',
        '--head',
        '--num-cpus=2',
        '--port=26379',
        `--dashboard-port=${port}`,
        '--include-dashboard=true',
        '--disable-usage-stats',
        '--object-store-memory=100000000',
      ],
      { stdio: 'ignore', env: { ...process.env, RAY_DISABLE_IMPORT_WARNING: '1' } },
    );
    try {
      const { cwd, file } = studyWith(`{ name: ray, address: 'http://127.0.0.1:${port}' }`);
      const { code, stdout, stderr } = await mtl(cwd, ['sweep', file, '--json']);
      expect([code, stderr]).toEqual([
        0,
        expect.stringMatching(/as Ray jobs at http:\/\/127\.0\.0\.1:28265: raysubmit_/),
      ]);
      expectAllOnce(cwd, stdout);
    } finally {
      spawnSync(ray, ['stop', '--force'], { stdio: 'ignore' });
    }
  });

  it('ray reports a fix if the dashboard is not running', { timeout: 60_000 }, async () => {
    const { cwd, file } = studyWith("{ name: ray, address: 'http://127.0.0.1:9' }");
    const { code, stderr } = await mtl(cwd, ['sweep', file]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/http:\/\/127\.0\.0\.1:9\/api\/jobs\/: cannot connect .*start Ray \(ray start --head\)/),
    ]);
  });

  it('slurm reports a fix if it is not installed', { timeout: 60_000 }, async () => {
    const { cwd, file } = studyWith('{ name: slurm }');
    const path = process.env['PATH'];
    process.env['PATH'] = scratchFolder();
    const { code, stderr } = await mtl(cwd, ['sweep', file]).finally(() => (process.env['PATH'] = path));
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(
        'sbatch: the program is not installed on this machine; ' +
          'run npx mtl sweep on a machine that has it or choose another launcher',
      ),
    ]);
  });
});
