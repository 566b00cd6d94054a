// Steps of the engine on WebGPU, and what the host has to do for them; MTL_WEBGPU_DAWN=backend=null leaves the device out (20 seconds).
import { it } from 'vitest';
import { openGpu } from '../src/engines/webgpu/adapter.js';
import { createWebGpuEngine } from '../src/engines/webgpu/engine.js';
import type { RunReport } from '../src/engines/webgpu/executor.js';
import { count, median, printTable, saveResults } from './results.js';
import { trainingFlops } from './roofline.js';
import { batchesOf, chosenWorkloads, planOf, stepperOf, workloadName } from './workloads.js';

const STEPS = 120;

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
    const steps = [];
    for (let step = 0; step < STEPS; step++) {
      reports = [];
      const [start, used] = [performance.now(), process.cpuUsage()];
      await take(batches[step % batches.length]!, step);
      const { user, system } = process.cpuUsage(used);
      const sum = (of: (report: RunReport) => number): number => reports.reduce((all, report) => all + of(report), 0);
      const ms = performance.now() - start;
      const [handOverMs, waitMs] = [sum(({ hostMs }) => hostMs), sum((report) => report.waitMs)];
      steps.push({ ms, processorMs: (user + system) / 1000, listsMs: ms - handOverMs - waitMs, handOverMs, waitMs, dispatches: sum((report) => report.dispatches), bytesUp: sum(({ bytesUp }) => bytesUp), bytesDown: sum(({ bytesDown }) => bytesDown) });
    }
    program.dispose();
    const late = steps.slice(STEPS >> 1);
    const of = (key: keyof (typeof late)[number]): number => median(late.map((step) => step[key]));
    results.push({ workload: workloadName(work), megaflopsPerStep: (trainingFlops(plan.graph) * work.batchRows) / 1e6, ms: of('ms'), processorMs: of('processorMs'), listsMs: of('listsMs'), handOverMs: of('handOverMs'), waitMs: of('waitMs'), dispatches: of('dispatches'), bytesUp: of('bytesUp'), bytesDown: of('bytesDown') });
  }
  printTable(
    `Milliseconds of a step on ${gpu.about.name}: index lists of the batch, handing over, waiting for the device; and the processor's time`,
    results.map((r) => ({
      workload: r.workload, 'a step': r.ms.toFixed(2), lists: r.listsMs.toFixed(2), 'handing over': r.handOverMs.toFixed(2), waiting: r.waitMs.toFixed(2), processor: r.processorMs.toFixed(2),
      dispatches: String(r.dispatches), 'bytes up': count(r.bytesUp), 'bytes down': count(r.bytesDown), MFLOPs: r.megaflopsPerStep.toFixed(1),
    })),
  );
  saveResults('webgpu', { device: gpu.about, workloads: results });
});
