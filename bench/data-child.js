// One measurement of bench/data.bench.ts in a process of its own, for its own peak memory; prints a line of JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../dist/config/load.js';
import { listTasks } from '../dist/config/experiment.js';
import { refuseBadRows } from '../dist/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../dist/data/rows/row-format.js';
import { openSource } from '../dist/data/sources/open-source.js';
import { openData } from '../dist/data/sources/splits.js';
import { createEngine } from '../dist/engines/engines.js';
import { computeLayout } from '../dist/features/feature-types.js';
import { buildModel, embeddingParts } from '../dist/models/models.js';
import { parseOverride } from '../dist/config/overrides.js';
import { train } from '../dist/train.js';

const [what, config, ...sets] = process.argv.slice(2);
const loaded = await loadConfig(config, sets.map(parseOverride));
const { experiment } = loaded;
const tasks = listTasks(experiment);
const format = createRowFormat({ tasks, groups: Object.values(experiment.features) });
const reading = { policy: refuseBadRows, cache: { folder: experiment.data.cache }, threads: 1 };
const { batchSize, shuffleWindow: window } = experiment.training;
const shuffle = (epoch) => ({ seed: experiment.seed, epoch, window });

async function open() {
  const source = await openSource(experiment.data.train, dataColumns(format));
  const fitted = await source.fit(format, reading);
  return { source, encoded: encodedFormat(format, fitted) };
}

async function timed(work) {
  const start = performance.now();
  const rows = await work();
  return { rows, ms: performance.now() - start };
}

const measures = {
  /** Reads a source, encodes it and writes shards. */
  async encode() {
    const { source, encoded } = await open();
    return timed(async () => (await source.dataset(encoded, reading)).rows);
  },

  /** Opens, fits and encodes the splits of a source, or finds them in the cache. */
  async files() {
    const { data } = experiment;
    const sources = await openData(data, format);
    const shared = { policy: refuseBadRows, cache: { folder: data.cache } };
    return timed(async () => {
      const encoded = encodedFormat(format, await sources.train.fit(format, shared));
      let rows = 0;
      for (const source of Object.values(sources)) rows += (await source.dataset(encoded, shared)).rows;
      return rows;
    });
  },

  /** The same with one thread per core. */
  async encodeThreaded() {
    const { source, encoded } = await open();
    return timed(async () => (await source.dataset(encoded, { ...reading, threads: availableParallelism() })).rows);
  },

  /** Two epochs of shuffled batches from shards; the second counts. */
  async batches() {
    const { source, encoded } = await open();
    const dataset = await source.dataset(encoded, reading);
    let last;
    for (const epoch of [1, 2]) {
      last = await timed(async () => {
        let rows = 0;
        for await (const { batch } of dataset.batches(batchSize, shuffle(epoch))) rows += batch.rows;
        return rows;
      });
    }
    return last;
  },

  /** The engine alone, on batches in memory. */
  async engine() {
    const { source, encoded } = await open();
    const layout = computeLayout(encoded.fields, {
      groups: experiment.features,
      embeddingParts: embeddingParts(experiment.model, tasks),
    });
    const graph = buildModel(experiment.model, layout, tasks);
    const program = (await createEngine({ device: 'cpu' })).compile({
      graph,
      layout,
      optimizers: experiment.training.optimizer,
      seed: experiment.seed,
      batchRows: batchSize,
    });
    const batches = [];
    for await (const { batch } of (await source.dataset(encoded, reading)).batches(batchSize, shuffle(1))) {
      // Batches are views of a shared window, so copy their rows.
      const copy = (columns) => new Map([...columns].map(([name, data]) => [name, data.slice()]));
      if (
        batches.push({
          rows: batch.rows,
          ids: copy(batch.ids),
          numbers: copy(batch.numbers),
          labels: copy(batch.labels),
          bags: batch.bags,
        }) === 256
      )
        break;
    }
    const steps = 600;
    let result;
    for (const _ of [1, 2]) {
      result = await timed(async () => {
        for (let step = 0; step < steps; step++) await program.trainStep(batches[step % batches.length]);
        return steps * batchSize;
      });
    }
    program.dispose();
    return result;
  },

  /** mtl train: the last epoch counts. */
  async train() {
    const runDir = join(mkdtempSync(join(tmpdir(), 'mtl-bench-')), 'run');
    let last;
    const nothing = () => undefined;
    const options = { device: 'cpu', runDir, overrides: sets, signal: new AbortController().signal };
    await train(loaded, options, {
      onRead: nothing,
      onWarning: nothing,
      onStart: nothing,
      onStep: nothing,
      onMilestone: ({ rows, elapsedMs }) => (last = { rows, ms: elapsedMs }),
    });
    rmSync(runDir, { recursive: true });
    return last;
  },
};

const result = await measures[what]();
const { user, system } = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({ ...result, cpuMs: (user + system) / 1000, peakMB: process.resourceUsage().maxRSS / 1024 })}\n`,
);
process.exit(0);
