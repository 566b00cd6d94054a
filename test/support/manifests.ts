import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';

// The files that run mtl in containers, with the parts that tests read; their own schemas check the rest.

const root = join(import.meta.dirname, '..', '..');

const container = z.looseObject({
  name: z.string(),
  args: z.array(z.string()),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.int() })).default([]),
  securityContext: z.looseObject({}).optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).default([]),
});
const pod = z.looseObject({
  initContainers: z.array(container).default([]),
  containers: z.array(container).min(1),
  securityContext: z.looseObject({}).optional(),
  volumes: z.array(z.looseObject({ name: z.string() })).default([]),
});
const template = z.looseObject({ metadata: z.looseObject({}).optional(), spec: pod });
const manifest = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
  data: z.record(z.string(), z.string()).optional(),
});

export type Manifest = z.output<typeof manifest>;
export type Container = z.output<typeof container>;
export type Pod = z.output<typeof pod>;

/** The Helm command. */
const HELM = process.env['MTL_HELM'] ?? 'helm';
export const CHART = join(root, 'deploy', 'helm', 'mtl');

/** Runs helm; skips the test, with the reason, if there is none. */
export function helm({ skip }: Pick<TestContext, 'skip'>, ...args: readonly string[]): SpawnSyncReturns<string> {
  const ended = spawnSync(HELM, args, { encoding: 'utf8' });
  if (ended.error !== undefined) skip('there is no helm: install it, or name it with MTL_HELM');
  return ended;
}

/** Returns the manifests of the release mtl, whose values are those of the chart and of more arguments. */
export function renderChart(test: Pick<TestContext, 'skip'>, ...args: readonly string[]): readonly Manifest[] {
  const { stdout, stderr } = helm(test, 'template', 'mtl', CHART, ...args);
  if (stderr !== '') throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => {
    for (const error of document.errors) throw error;
    return manifest.parse(document.toJS());
  });
}

/** Returns the pod of a workload; undefined for other kinds. */
export function podOf({ kind, spec }: Manifest): Pod | undefined {
  const withTemplate = z.looseObject({ template });
  if (kind === 'CronJob')
    return z.looseObject({ jobTemplate: z.looseObject({ spec: withTemplate }) }).parse(spec).jobTemplate.spec.template
      .spec;
  return kind === 'Deployment' || kind === 'Job' ? withTemplate.parse(spec).template.spec : undefined;
}

/** Returns the containers of a manifest in the order in which they run. */
export function containersOf(each: Manifest): readonly Container[] {
  const { initContainers = [], containers = [] } = podOf(each) ?? {};
  return [...initContainers, ...containers];
}

const compose = z.looseObject({
  services: z.record(
    z.string(),
    z.looseObject({
      command: z.array(z.string()),
      build: z.looseObject({ target: z.string() }).optional(),
      volumes: z.array(z.string()),
      ports: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()),
});

/** Reads compose.yaml, with its merge keys applied. */
export function readCompose(): z.output<typeof compose> {
  return compose.parse(parse(readFileSync(join(root, 'compose.yaml'), 'utf8'), { merge: true }));
}

/** Reads the Dockerfile as instructions, without comments and with continued lines joined. */
export function readDockerfile(): readonly { readonly instruction: string; readonly text: string }[] {
  return readFileSync(join(root, 'Dockerfile'), 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, instruction, text] = /^(\w+) (.*)$/.exec(line)!;
      return { instruction: instruction!, text: text! };
    });
}
