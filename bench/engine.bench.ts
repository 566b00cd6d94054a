// Training and prediction throughput (rows/s) with data in memory, on ids of the full Ali-CCP vocabulary, and the share
// of a roofline (90 seconds).
import { it } from 'vitest';
import { createCpuEngine } from '../src/engines/cpu/engine.js';
import { EVALUATION_BATCH_ROWS } from '../src/training/evaluate-batches.js';
import { benchOptions, count, MACHINE, median, printTable, saveResults } from './results.js';
import { phasesOf } from './phases.js';
import { compareThreads } from './scaling.js';
import { peakFlops, peaksOf, rooflineOf } from './roofline.js';
import { compareVocabularies } from './vocabulary.js';
import { batchesOf, chosenWorkloads, planOf, stepperOf, workloadName, WORKLOADS, type Workload } from './workloads.js';

const THREADS = [...new Set([1, MACHINE.cores])];
const PREDICTED_BATCHES = 40;

interface Speed {
  /** Milliseconds per step: median of the second half. */
  readonly trainMs: number;
  readonly predictedRowsPerSecond: number;
}

async function measure(work: Workload, threads: number, steps: number, scale = 1): Promise<Speed> {
  const plan = planOf(work, scale);
  const program = createCpuEngine(threads).compile(plan);
  const take = stepperOf(work, program, plan);
  const batches = batchesOf(work, Math.min(steps, 100), scale);
  const times: number[] = [];
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    await take(batches[step % batches.length]!, step);
    times.push(performance.now() - start);
  }
  const predictTimes: number[] = [];
  const asked = batchesOf({ ...work, batchRows: EVALUATION_BATCH_ROWS }, 10, scale);
  for (let i = 0; i < PREDICTED_BATCHES; i++) {
    const start = performance.now();
    await program.predict(asked[i % asked.length]!);
    predictTimes.push(performance.now() - start);
  }
  program.dispose();
  const half = <T>(values: readonly T[]): readonly T[] => values.slice(values.length >> 1);
  return {
    trainMs: median(half(times)),
    predictedRowsPerSecond: (1000 * EVALUATION_BATCH_ROWS) / median(half(predictTimes)),
  };
}

const stepsOf = ({ name, batchRows }: Workload): number =>
  batchRows <= 20 ? 4000 : name === 'esmm' || name === 'mmoe' ? 200 : 60;
const byThreads = async <T>(what: (threads: number) => Promise<T>): Promise<Map<number, T>> => {
  const found = new Map<number, T>();
  for (const threads of THREADS) found.set(threads, await what(threads));
  return found;
};
const label = (threads: number): string => `${threads} ${threads === 1 ? 'thread' : 'threads'}`;

it('engine', async () => {
  const { vocabulary, threadCounts } = benchOptions();
  if (vocabulary !== undefined) {
    saveResults('vocabulary', { vocabularies: await compareVocabularies(vocabulary) });
    return;
  }
  const works = chosenWorkloads();
  if (threadCounts.length > 0) {
    await compareThreads(works, threadCounts, stepsOf, async (work, threads) => {
      const { trainMs } = await measure(work, threads, stepsOf(work));
      return (1000 * work.batchRows) / trainMs;
    });
    return;
  }
  const peaks = await byThreads((threads) => peaksOf(works, threads));
  const bf16Flops = await byThreads((threads) => peakFlops(threads, 'bf16'));
  const widths = [...new Set(works.map(({ width }) => width))];
  const byLabel = (value: (threads: number) => string) =>
    Object.fromEntries(THREADS.map((threads) => [label(threads), value(threads)]));
  printTable('Peaks, each kernel alone', [
    { peak: 'products, GFLOP/s', ...byLabel((threads) => (peaks.get(threads)!.flops / 1e9).toFixed(1)) },
    { peak: 'products in bf16, GFLOP/s', ...byLabel((threads) => (bf16Flops.get(threads)! / 1e9).toFixed(1)) },
    ...widths.map((width) => ({
      peak: `Adam on random rows of ${width}, rows/s`,
      ...byLabel((threads) => count(peaks.get(threads)!.rowUpdates.get(width)!)),
    })),
  ]);

  const results = [];
  for (const work of works) {
    for (const [threads, { trainMs, predictedRowsPerSecond }] of await byThreads((n) =>
      measure(work, n, stepsOf(work)),
    )) {
      const roofline = rooflineOf(work, peaks.get(threads)!);
      results.push({
        workload: workloadName(work),
        threads,
        trainMs,
        trainedRowsPerSecond: (1000 * work.batchRows) / trainMs,
        predictedRowsPerSecond,
        megaflopsPerStep: roofline.flops / 1e6,
        rowUpdatesPerStep: roofline.rows,
        shareOfRoofline: roofline.ms / trainMs,
      });
    }
  }
  printTable(
    'Speed; share of the roofline = (FLOPs of a step / peak of products + rows of tables that it touches / peak ' +
      'of Adam on rows) / time of a step; steps of few rows are done by one thread',
    results.map((r) => ({
      workload: r.workload,
      threads: String(r.threads),
      'trained, rows/s': count(r.trainedRowsPerSecond),
      'ms a step': r.trainMs.toFixed(2),
      MFLOPs: r.megaflopsPerStep.toFixed(1),
      'rows touched': count(r.rowUpdatesPerStep),
      'share of roofline': `${(100 * r.shareOfRoofline).toFixed(0)}%`,
      'predicted, rows/s': count(r.predictedRowsPerSecond),
    })),
  );

  const phases = [];
  for (const work of works)
    for (const threads of THREADS)
      phases.push({
        workload: workloadName(work),
        threads,
        ms: Object.fromEntries(await phasesOf(work, threads, stepsOf(work))),
      });
  printTable(
    'Microseconds of a step by phase, on its first thread',
    phases.map(({ workload, threads, ms }) => ({
      workload,
      threads: String(threads),
      ...Object.fromEntries(Object.entries(ms).map(([phase, value]) => [phase, count(1000 * value)])),
    })),
  );

  // The same step with other vocabulary sizes shows the cost of cache misses.
  const esmm = WORKLOADS[1]!;
  const byVocabulary = [];
  for (const millions of works.includes(esmm) ? [0.1, 1.555, 15] : []) {
    byVocabulary.push({
      millions,
      rowsPerSecond: (1000 * esmm.batchRows) / (await measure(esmm, MACHINE.cores, 200, millions / 1.555)).trainMs,
    });
  }
  if (byVocabulary.length > 0)
    printTable(
      `${workloadName(esmm)} by vocabulary`,
      byVocabulary.map(({ millions, rowsPerSecond }) => ({
        'million ids': String(millions),
        'trained, rows/s': count(rowsPerSecond),
      })),
    );
  saveResults('engine', {
    peaks: {
      flopsPerSecond: Object.fromEntries(THREADS.map((threads) => [threads, peaks.get(threads)!.flops])),
      bf16FlopsPerSecond: Object.fromEntries(bf16Flops),
      rowUpdatesPerSecondByWidth: Object.fromEntries(
        widths.map((width) => [
          width,
          Object.fromEntries(THREADS.map((threads) => [threads, peaks.get(threads)!.rowUpdates.get(width)!])),
        ]),
      ),
    },
    workloads: results,
    phases,
    byVocabulary,
  });
});
