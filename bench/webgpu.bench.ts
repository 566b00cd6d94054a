// Steps of the engine on WebGPU, and what the host has to do for them; MTL_WEBGPU_DAWN=backend=null leaves the device out (20 seconds).
import { existsSync, readFileSync } from 'node:fs';
import { it } from 'vitest';
import { openGpu } from '../src/engines/webgpu/adapter.js';
import { createWebGpuEngine } from '../src/engines/webgpu/engine.js';
import type { RunReport } from '../src/engines/webgpu/executor.js';
import { count, printTable, saveResults } from './results.js';
import { trainingFlops } from './roofline.js';
import { batchesOf, chosenWorkloads, planOf, stepperOf, workloadName } from './workloads.js';

const STEPS = 480;

/** Processor time until now: of this thread, where the system tells that apart (Linux), and of all. */
function usedMs(): { readonly threadMs: number; readonly allMs: number } {
  const { user, system } = process.cpuUsage();
  const allMs = (user + system) / 1000;
  const own = `/proc/self/task/${process.pid}/schedstat`;
  return { allMs, threadMs: existsSync(own) ? Number(readFileSync(own, 'utf8').split(' ')[0]) / 1e6 : allMs };
}

it('webgpu', async () => {
  const gpu = await openGpu();
  if ('reason' in gpu) {
    console.log(`no WebGPU: ${gpu.reason}; ${gpu.fix}`);
    return;
  }
  const results = [];
  for (const work of chosenWorkloads()) {
    const plan = planOf(work);
    let reports: RunReport[] = [];
    const program = createWebGpuEngine(gpu, { onRun: (report) => reports.push(report) }).compile(plan);
    const take = stepperOf(work, program, plan);
    const batches = batchesOf(work, 20);
    const most = work.weighting === undefined ? program.stepsAhead! : 1;
    const begun: Promise<unknown>[] = [];
    let [first, firstMs] = [{ threadMs: 0, allMs: 0 }, 0];
    for (let step = 0; step < STEPS; step++) {
      // When pipelines, memory and threads are there.
      if (step === STEPS >> 1) [reports, first, firstMs] = [[], usedMs(), performance.now()];
      begun.push(take(batches[step % batches.length]!, step, most > 1));
      if (begun.length >= most) await begun.shift();
    }
    await program.catchUp!();
    const [used, ms, steps] = [usedMs(), performance.now() - firstMs, STEPS - (STEPS >> 1)];
    program.dispose();
    const sum = (of: (report: RunReport) => number): number => reports.reduce((all, report) => all + of(report), 0) / steps;
    results.push({
      workload: workloadName(work), megaflopsPerStep: (trainingFlops(plan.graph) * work.batchRows) / 1e6, ms: ms / steps,
      hostMs: (used.threadMs - first.threadMs) / steps, processorMs: (used.allMs - first.allMs) / steps, handOverMs: sum(({ hostMs }) => hostMs),
      dispatches: sum(({ dispatches }) => dispatches), bytesUp: sum(({ bytesUp }) => bytesUp), bytesDown: sum(({ bytesDown }) => bytesDown),
    });
  }
  printTable(
    `Milliseconds of a step on ${gpu.about.name}: all, processor time of the thread that trains (of it handing over, by the clock), and of all threads`,
    results.map((r) => ({
      workload: r.workload, 'a step': r.ms.toFixed(3), host: r.hostMs.toFixed(3), 'handing over': r.handOverMs.toFixed(3), 'all threads': r.processorMs.toFixed(3),
      dispatches: count(r.dispatches), 'bytes up': count(r.bytesUp), 'bytes down': count(r.bytesDown), MFLOPs: r.megaflopsPerStep.toFixed(1),
    })),
  );
  saveResults('webgpu', { device: gpu.about, workloads: results });
});
