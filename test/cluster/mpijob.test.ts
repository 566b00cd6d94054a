import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { codeBlocks } from '../support/code-blocks.js';
import { mpiJob } from '../support/mpijob.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const PAGE = readFileSync(
  join(import.meta.dirname, '..', '..', 'docs', 'how-to', 'train-on-several-machines.md'),
  'utf8',
);
const text = codeBlocks(PAGE).find(({ language }) => language === 'yaml')!.text;
const job = mpiJob.parse(parse(text));
const { Launcher, Worker } = job.spec.mpiReplicaSpecs;

describe('MPIJob of the page on clusters', () => {
  it('is accepted by the operator', () => {
    expect(job.spec.mpiImplementation ?? 'OpenMPI').toBe('OpenMPI');
    // As many processes as slots.
    const [{ command, args }] = Launcher.template.spec.containers as [{ command: string[]; args: string[] }];
    expect(command.slice(command.indexOf('-n'))).toEqual(['-n', String(Worker!.replicas * job.spec.slotsPerWorker!)]);
    expect(args.slice(0, 3)).toEqual(['npx', 'mtl', 'train']);
  });

  it('is validated against the definition, which rejects invalid jobs', () => {
    for (const [from, to] of [
      ['v2beta1', 'v1'],
      ['slotsPerWorker: 1', 'slots: 1'],
      ['Running', 'Sometimes'],
      ['replicas: 2', 'replicas: two'],
      ['Launcher:', 'launcher:'],
      ['restartPolicy: OnFailure', 'restartPolicy: Always'],
      ['containers:', 'container:'],
      ['name: large', 'name: Large.1'],
    ] as const) {
      expect(text).toContain(from);
      expect([from, mpiJob.safeParse(parse(text.replace(from, to))).success]).toEqual([from, false]);
    }
  });

  it('has pods that the official Kubernetes schema accepts', (context) => {
    needsPython(context, 'kubernetes_validate');
    const cwd = scratchFolder();
    const check =
      'import sys, yaml, kubernetes_validate\n' +
      `for pod in yaml.safe_load_all(open(sys.argv[1])): kubernetes_validate.validate(pod, '1.30', strict=True)\n` +
      `print('valid')`;
    const pods = [Launcher, Worker!].map(({ template }, p) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${p}` },
      ...template,
    }));
    const valid = (all: readonly object[]): string => {
      const path = join(cwd, 'pods.yaml');
      writeFileSync(path, all.map((pod) => stringify(pod)).join('---\n'));
      return python(cwd, check, [path]);
    };
    expect(valid(pods)).toBe('valid\n');
    expect(() =>
      valid(pods.map((pod) => ({ ...pod, spec: { ...pod.spec, containers: [{ image: 'without a name' }] } }))),
    ).toThrow();
  });
});
