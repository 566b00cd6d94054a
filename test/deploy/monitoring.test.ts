import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { addCanaryMetrics } from '../../src/serve/canary/canary-metrics.js';
import type { CanaryReport } from '../../src/serve/canary/canary-report.js';
import { ServeMetrics } from '../../src/serve/metrics.js';
import { scratchFolder } from '../support/scratch.js';

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'monitoring');
const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');

interface Panel {
  readonly id: number;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string }[];
}
const { panels } = JSON.parse(read('grafana.json')) as { readonly panels: readonly Panel[] };
const { groups } = parse(read('alerts.yaml')) as {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const expressions = [
  ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...rules.map(({ expr }) => expr),
];

const MODEL = { name: 'm', version: '1', checkpoint: 'c' };
const REPORT: CanaryReport = {
  kind: 'canary',
  state: 'running',
  present: MODEL,
  candidate: { ...MODEL, name: 'm-canary' },
  share: 0.05,
  waiting: 0,
  counts: { joined: 0, repeated: 0, expired: 0, unknown: 0, unpaired: 0, unassigned: 0, dropped: 0, unlabeled: 0 },
  looks: [],
  figures: { present: {}, candidate: {}, confidence: 0.95, differences: [] },
};

describe('deploy/monitoring', () => {
  it('names metrics that the server has', async () => {
    const metrics = new ServeMetrics(
      () => [],
      () => false,
    );
    addCanaryMetrics(metrics.registry, { report: () => Promise.resolve(REPORT) });
    const text = await metrics.text();
    const known = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name!));
    const named = expressions.flatMap((expr) => Array.from(expr.matchAll(/\b(?:mtl|process)_\w+/g), ([name]) => name));
    expect(named.length).toBeGreaterThan(15);
    expect(named.map((name) => name.replace(/_bucket$/, '')).filter((name) => !known.has(name))).toEqual([]);
  });

  it('has panels that do not overlap', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it('has a row in the guide for each alert', () => {
    const page = readFileSync(join(FOLDER, '..', '..', 'docs', 'how-to', 'monitor-a-server.md'), 'utf8');
    expect(Array.from(page.matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name)).toEqual(rules.map(({ alert }) => alert));
  });

  it('has alerts that fire as described', ({ skip }) => {
    if (spawnSync('promtool', ['--version']).status !== 0) skip('there is no promtool: install it from Debian');
    const folder = scratchFolder();
    copyFileSync(join(FOLDER, 'alerts.yaml'), join(folder, 'alerts.yaml'));
    copyFileSync(join(import.meta.dirname, 'alert-cases.yaml'), join(folder, 'cases.yaml'));
    expect(execFileSync('promtool', ['test', 'rules', 'cases.yaml'], { cwd: folder, encoding: 'utf8' })).toContain(
      'SUCCESS',
    );
  });
});
