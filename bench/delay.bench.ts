// Delayed labels: AUC, log loss and calibration per method on a planted log with drift. Each click is predicted before
// any of its samples is trained; the oracle trains on final labels at the click (5 minutes on one core).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { parseConfig } from '../src/config/load.js';
import type { Batch } from '../src/core/batch.js';
import { taskOptions, type Task } from '../src/core/tasks.js';
import { openEncoded } from '../src/data/sources/splits.js';
import { dataSection, firstDataState } from '../src/data/sources/data-state.js';
import { LogReplay } from '../src/data/replay/log-replay.js';
import { RowSamples } from '../src/data/replay/row-samples.js';
import { rejectPolicy } from '../src/data/rows/rejects.js';
import { delays } from '../src/delay/delays.js';
import { createCpuEngine } from '../src/engines/cpu/engine.js';
import type { Program } from '../src/engines/engine.js';
import { createCollector, type Report } from '../src/evaluation/evaluation.js';
import { listOutputs } from '../src/evaluation/outputs.js';
import { buildGraph, openInputs } from '../src/inputs/open-inputs.js';
import { synthDelays } from '../src/synth.js';
import { buildStepPlan } from '../src/training/step-plan.js';
import { benchOptions, count, printTable, saveResults } from './results.js';

const { rows: ROWS = 200_000, seeds: SEEDS = 3 } = benchOptions();
const [DAYS, WAIT, WINDOW] = [42, '3h', '7d'] as const;
/** Clicks that are predicted together, and samples of a training step. */
const [CHUNK_ROWS, STEP_ROWS] = [256, 256] as const;
/** Weeks that are measured, from 0: the first two have no final labels, or few. */
const WEEKS = [2, 3, 4, 5] as const;
const RATE = 0.01;

/** A way to train on the log. */
interface Side {
  readonly name: string;
  /** Delay of the task; undefined for the oracle. */
  readonly delay: Readonly<Record<string, string>> | undefined;
}

const common = { from: 'click_time', event: 'buy_time', format: 'seconds', window: WINDOW };
const SIDES: readonly Side[] = [
  { name: 'oracle', delay: undefined },
  { name: 'naive, at the click', delay: { method: 'naive', ...common } },
  ...delays.parts.map(({ name, options }) => ({
    name,
    delay: { method: name, ...common, ...('wait' in options() && { wait: WAIT }) },
  })),
];

const PLAIN: Task = { name: 'cvr', ...taskOptions.parse({ label: 'buy' }) };

/** Measures predictions of the clicks of each week, and of all of them. */
class WeeklyMetrics {
  readonly #weeks = WEEKS.map(() => createCollector(listOutputs([PLAIN])));
  readonly #all = createCollector(listOutputs([PLAIN]));
  #rows = 0;

  constructor(readonly totalRows: number) {}

  add(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void {
    const week = Math.floor(((this.#rows + batch.rows / 2) / this.totalRows) * (DAYS / 7));
    this.#rows += batch.rows;
    if (week < WEEKS[0]) return;
    this.#weeks[week - WEEKS[0]]!.add(batch, predictions);
    this.#all.add(batch, predictions);
  }

  report(): { readonly all: Report; readonly weeks: readonly Report[] } {
    return { all: this.#all.report(), weeks: this.#weeks.map((week) => week.report()) };
  }
}

/** Opens the log and compiles a model for a side. */
async function open(file: string, { name, delay }: Side, seed: number) {
  const config = JSON.stringify({
    name: 'delays',
    seed,
    data: { train: file },
    features: {
      ids: { type: 'categorical', fields: ['user', 'item', 'category', 'device'], width: 8 },
    },
    tasks: { cvr: { label: 'buy', ...(delay !== undefined && { delay }) } },
    model: { name: 'shared-bottom', hidden: [32], wide: true },
    training: {
      shuffle: false,
      batchSize: STEP_ROWS,
      optimizer: { dense: { learningRate: RATE }, embeddings: { learningRate: RATE } },
    },
  });
  const experiment = parseConfig(config, `${name}.yaml`);
  const inputs = await openInputs(experiment);
  const reading = { policy: rejectPolicy(experiment.data), threads: 1 };
  const fitted = await inputs.sources.train.fit(inputs.format, reading);
  const state = dataSection.schema.parse(firstDataState());
  const data = await openEncoded(inputs.sources, inputs.format, fitted, reading, state);
  const { graph, layout } = buildGraph(experiment, inputs.tasks, data.encoded.fields, data.facts);
  const plan = { graph, layout, seed, ...buildStepPlan(experiment.training) };
  return { tasks: inputs.tasks, log: data.train, program: createCpuEngine().compile(plan, () => undefined) };
}

/** Predicts each click, then trains what is known at its time. */
async function measure(file: string, side: Side, seed: number): Promise<ReturnType<WeeklyMetrics['report']>> {
  const { tasks, log, program } = await open(file, side, seed);
  const metrics = new WeeklyMetrics(log.rows);
  const replay = side.delay && new LogReplay(new RowSamples(tasks));
  for await (const { batch } of log.batches(CHUNK_ROWS)) {
    metrics.add(batch, await program.predict(batch));
    await trainKnown(program, batch, replay);
  }
  program.dispose();
  await log.close();
  return metrics.report();
}

async function trainKnown(program: Program, batch: Batch, replay: LogReplay | undefined): Promise<void> {
  if (replay === undefined) {
    await program.trainStep(batch);
    return;
  }
  replay.add(batch);
  while (replay.numReady >= STEP_ROWS) await program.trainStep(replay.take(STEP_ROWS)!);
}

const metricOf = (report: Report, metric: string): number => report['cvr']![metric] as number;
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

it('measures methods for delayed labels', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-delay-'));
  const seeds = Array.from({ length: SEEDS }, (_, i) => 1 + i);
  const results: Record<string, ReturnType<WeeklyMetrics['report']>[]> = {};
  try {
    for (const seed of seeds) {
      const log = join(folder, String(seed));
      await synthDelays({ folder: log, seed, rows: { train: ROWS }, days: DAYS, rate: 0.2 });
      for (const side of SIDES) (results[side.name] ??= []).push(await measure(join(log, 'train.csv'), side, seed));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const average = (name: string, metric: string): number =>
    mean(results[name]!.map(({ all }) => metricOf(all, metric)));
  // The naive label after the wait is the stricter baseline: at the click, all labels are 0.
  const [oracle, , naive, waiting] = SIDES.map(({ name }) => average(name, 'logLoss')) as [
    number,
    number,
    number,
    number,
  ];
  const gapClosed = (name: string, from: number): string =>
    `${((100 * (from - average(name, 'logLoss'))) / (from - oracle)).toFixed(1)}%`;
  printTable(
    `${count(ROWS)} clicks in ${DAYS} days, wait ${WAIT}, window ${WINDOW}, mean of ${SEEDS} seeds; weeks 3 to 6`,
    SIDES.map(({ name }) => ({
      method: name,
      AUC: average(name, 'auc').toFixed(4),
      'log loss': average(name, 'logLoss').toFixed(4),
      'gap of naive closed': gapClosed(name, naive),
      'gap of wait closed': gapClosed(name, waiting),
      ...Object.fromEntries(
        WEEKS.map((week, w) => [
          `PCOC week ${week + 1}`,
          mean(results[name]!.map(({ weeks }) => metricOf(weeks[w]!, 'pcoc'))).toFixed(3),
        ]),
      ),
    })),
  );
  saveResults('delay', { rows: ROWS, days: DAYS, wait: WAIT, window: WINDOW, seeds, results });
});
