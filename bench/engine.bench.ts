import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { createSimdEngine } from '../src/engines/simd/engine.js';
import { batchesOf, planOf, WORKLOADS, type Workload } from './workloads.js';

// Rows trained per second on generated ids of the full Ali-CCP vocabulary, data in memory: medians of the second half of the
// steps.

const root = join(import.meta.dirname, '..');

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

async function rowsPerSecond(work: Workload, threads: number, steps: number, scale = 1): Promise<number> {
  const program = createSimdEngine(threads).compile(planOf(work, scale));
  const batches = batchesOf(work, Math.min(steps, 100), scale);
  const times: number[] = [];
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    await program.trainStep(batches[step % batches.length]!);
    times.push(performance.now() - start);
  }
  program.dispose();
  return (work.batchRows / median(times.slice(steps >> 1))) * 1000;
}

it('engine', async () => {
  const rows = [];
  for (const work of WORKLOADS) {
    const steps = work.batchRows <= 20 ? 4000 : work.name === 'esmm' || work.name === 'mmoe' ? 200 : 60;
    const one = await rowsPerSecond(work, 1, steps);
    const two = await rowsPerSecond(work, 2, steps);
    const count = (value: number): string => Math.round(value).toLocaleString('en-US');
    rows.push({
      workload: work.name,
      batch: work.batchRows,
      '1 thread, rows/s': count(one),
      '2 threads, rows/s': count(two),
      'two over one': (two / one).toFixed(2),
    });
  }
  console.table(rows);
  const esmm = WORKLOADS[1]!;
  const byVocabulary = [];
  for (const scale of [0.1 / 1.555, 1, 15 / 1.555]) byVocabulary.push({ ids: `${(scale * 1.555).toFixed(1)} million`, 'rows/s': Math.round(await rowsPerSecond(esmm, 2, 200, scale)) });
  console.table(byVocabulary);
  mkdirSync(join(root, 'runs'), { recursive: true });
  writeFileSync(join(root, 'runs', 'bench-engine.json'), JSON.stringify({ cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version, rows, byVocabulary }, null, 2));
});
