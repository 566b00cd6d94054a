/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/engines/diagnosis.js';
import { buildModel, models } from '../../src/models/models.js';
import { taskOptions } from '../../src/core/tasks.js';
import { createDiagnosisObserver, type DiagnosisReport } from '../../src/training/diagnostics.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const graphOf = (count: number) => {
  const tasks = [
    { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
    { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) },
  ];
  return buildModel(
    models.schema.parse({ name: 'mmoe', experts: { count, hidden: [2] } }),
    { width: 3, columns: [{ field: 'x', offset: 0, width: 3, kind: 'vector' }] },
    tasks,
  );
};

/** What is logged and told of diagnoses with these means of gates. */
function observed(
  count: number,
  ...gates: readonly { readonly ctr: readonly number[]; readonly cvr: readonly number[] }[]
): { reports: DiagnosisReport[]; told: string[] } {
  const reports: DiagnosisReport[] = [];
  const told: string[] = [];
  const observe = createDiagnosisObserver(
    graphOf(count),
    (report) => void reports.push(report),
    (notice) => void told.push(notice),
  );
  for (const [i, { ctr, cvr }] of gates.entries()) {
    const uses: Diagnosis['gates'] = new Map([
      ['ctr', { means: ctr, entropy: 0.5 }],
      ['cvr', { means: cvr, entropy: 0.25 }],
    ]);
    observe(
      {
        gramian: Float64Array.of(4, -3, -3, i === 0 ? 9 : 0),
        layers: new Map([['shared', { gradient: 2, update: 0.1 }]]),
        gates: uses,
      },
      { epoch: 1, step: 10 * (i + 1) },
    );
  }
  return { reports, told };
}

describe('diagnoses', () => {
  it('are reported by name: cosines, norms, and experts of gates', () => {
    const { reports } = observed(2, { ctr: [0.25, 0.75], cvr: [0.5, 0.5] }, { ctr: [0.25, 0.75], cvr: [0.5, 0.5] });
    expect(reports[0]).toEqual({
      epoch: 1,
      step: 10,
      cosines: { ctr: { cvr: -0.5 } },
      sharedNorms: { ctr: 2, cvr: 3 },
      layers: { shared: { gradient: 2, update: 0.1 } },
      gates: {
        ctr: { entropy: 0.5, experts: { 'experts.0': 0.25, 'experts.1': 0.75 } },
        cvr: { entropy: 0.25, experts: { 'experts.0': 0.5, 'experts.1': 0.5 } },
      },
    });
    // A batch without a row of a term.
    expect(reports[1]!.cosines).toEqual({ ctr: { cvr: null } });
  });

  it('warn once of a dead expert and of a dominated gate', () => {
    const dead = { ctr: [0.005, 0.5, 0.495], cvr: [0.009, 0.191, 0.8] };
    const alone = { ctr: [0.3, 0.3, 0.4], cvr: [0.01, 0.03, 0.96] };
    const { told } = observed(3, dead, dead, alone, alone);
    expect(told).toEqual([
      expect.stringMatching(/^step 10: experts\.0 is dead: no gate gives it more than 0\.9%.*fewer experts/),
      expect.stringMatching(/^step 30: gate 'cvr' gives 96\.0% to experts\.2/),
    ]);
  });

  it('do not warn of an expert that one gate uses, of a single expert, or of an even share among many', () => {
    expect(observed(2, { ctr: [0.001, 0.999 * 0.9], cvr: [0.5, 0.5] }).told).toEqual([]);
    expect(observed(1, { ctr: [1], cvr: [1] }).told).toEqual([]);
    const even = Array.from({ length: 200 }, () => 1 / 200);
    expect(observed(200, { ctr: even, cvr: even }).told).toEqual([]);
  });
});

describe('a run with diagnostics', () => {
  it('logs each diagnosis in metrics.jsonl, and otherwise trains as without, also when resumed', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    const config = join(folder, 'mmoe.yaml');
    const set = ['training.epochs=2', 'training.logEverySteps=1000'];
    const diagnosed = [...set, 'training.diagnostics.everySteps=6'];
    const [plain, first, second] = ['plain', 'first', 'second'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await trainSmall(config, { set, runDir: plain });
    await trainSmall(config, { set: diagnosed, runDir: first });
    await trainSmall(config, { set: ['training.epochs=1', ...diagnosed.slice(1)], runDir: second });
    await trainSmall(config, { set: diagnosed, runDir: second, resume: 'auto' });
    const linesOf = (run: string) =>
      readFileSync(join(run, 'metrics.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { step: number; diagnosis?: DiagnosisReport });
    const diagnoses = linesOf(first).filter(({ diagnosis }) => diagnosis !== undefined);
    expect(diagnoses.map(({ step }) => step)).toEqual([6, 12, 18, 24, 30]);
    for (const { diagnosis } of diagnoses) {
      expect(Object.keys(diagnosis!.gates)).toEqual(['ctr', 'cvr']);
      expect(Object.values(diagnosis!.gates['cvr']!.experts).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
      expect(diagnosis!.cosines['ctr']!['cvr']).toEqual(expect.any(Number));
      expect(diagnosis!.layers['embeddings.101']!.update).toBeGreaterThan(0);
      expect(diagnosis!.layers['experts.2.0']!.gradient).toBeGreaterThan(0);
    }
    expect(linesOf(second).filter(({ diagnosis }) => diagnosis !== undefined)).toEqual(diagnoses);
    const weights = (run: string): string => readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1');
    expect(weights(first)).toBe(weights(plain));
  });

  it('reports the out-of-vocabulary share by field and split', async () => {
    const folder = scratchFolder();
    await smallWorld(folder);
    const run = join(folder, 'run');
    await trainSmall(join(folder, 'esmm.yaml'), { set: ['training.epochs=1'], runDir: run });
    const { unknown } = JSON.parse(readFileSync(join(run, 'data.json'), 'utf8')) as {
      unknown: Record<string, Record<string, number>>;
    };
    const cells = (split: string): string[] => {
      const [header, ...rows] = readFileSync(join(folder, `${split}.csv`), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.split(','));
      return rows.map((row) => row[header!.indexOf('205')]!);
    };
    const counts = new Map<string, number>();
    for (const cell of cells('train')) counts.set(cell, (counts.get(cell) ?? 0) + 1);
    for (const split of ['train', 'valid', 'test']) {
      const found = cells(split);
      expect(unknown[split]!['205']).toBeCloseTo(
        found.filter((cell) => (counts.get(cell) ?? 0) < 2).length / found.length,
        12,
      );
    }
  });
});
