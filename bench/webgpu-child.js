// Runs one workload of bench/webgpu.bench.ts in a process of its own, which has the device's memory to itself; reads
// structured clones from stdin and prints a line of JSON.
import { existsSync, readFileSync } from 'node:fs';
import v8 from 'node:v8';
import { createGpu } from '../dist/engines/webgpu/adapter.js';
import { createWebGpuEngine } from '../dist/engines/webgpu/engine.js';
import { POSTS } from '../dist/engines/webgpu/posts.js';
import { TIMES } from '../dist/engines/webgpu/pass-times.js';
import { UserError } from '../dist/core/errors.js';
import { firstLoopState } from '../dist/training/loop-state.js';
import { createTrainStep } from '../dist/training/train-step.js';

/** Returns CPU time so far: of this thread (Linux only) and of the process. */
function usedMs() {
  const { user, system } = process.cpuUsage();
  const allMs = (user + system) / 1000;
  const own = `/proc/self/task/${process.pid}/schedstat`;
  return { allMs, threadMs: existsSync(own) ? Number(readFileSync(own, 'utf8').split(' ')[0]) / 1e6 : allMs };
}

/** Steps with timed dispatches. */
const TIMED = 20;

/** Time for other threads to prepare a step's index lists. */
const PAUSE_MS = 1;
/** Steps per mean; results are medians of these means. */
const PART = 10;
const never = new Int32Array(new SharedArrayBuffer(4));

/** Returns the quantile of some numbers. */
function quantile(numbers, share) {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length * share)];
}

/** Runs warm-up steps for pipelines, memory and threads, then measured steps, then steps with a pause before each. */
async function measure(gpu, { plan, training, batches, steps }) {
  let reports = [];
  let listedMs = 0;
  const watch = { onRun: (report) => reports.push(report), onListed: (ms) => (listedMs += ms) };
  const engine = createWebGpuEngine(gpu, watch);
  engine.refuseTooLarge(plan);
  const program = engine.compile(plan);
  const stepper = createTrainStep({
    program,
    terms: plan.graph.terms,
    training,
    seed: plan.seed,
    trainingSteps: 1,
    stateOf: (_, first) => first(),
  });
  const most = stepper.stepsAhead;
  const place = firstLoopState();
  const take = (step, isAhead) => {
    place.step = step;
    return stepper.take(batches[step % batches.length], place, isAhead);
  };
  const begun = [];
  /** Step times by the number of steps since results were read; one step in `POSTS` reads results. */
  const unlisted = Array.from({ length: POSTS }, () => []);
  const counted = steps - (steps >> 1);
  let [first, firstMs] = [usedMs(), performance.now()];
  for (let step = 0; step < steps; step++) {
    if (step === steps >> 1) [reports, first, firstMs] = [[], usedMs(), performance.now()];
    const [beginMs, beforeMs] = [performance.now(), listedMs];
    begun.push(take(step, most > 1));
    if (begun.length >= most) await begun.shift();
    if (step >= steps >> 1) unlisted[step % POSTS].push(performance.now() - beginMs - (listedMs - beforeMs));
  }
  await program.catchUp();
  const [used, ms] = [usedMs(), performance.now() - firstMs];
  const mean = (of) => reports.reduce((all, report) => all + of(report), 0) / counted;
  const means = {
    ms: ms / counted,
    hostMs: (used.threadMs - first.threadMs) / counted,
    processorMs: (used.allMs - first.allMs) / counted,
    handOverMs: mean(({ hostMs }) => hostMs),
    dispatches: mean(({ dispatches }) => dispatches),
    bytesUp: mean(({ bytesUp }) => bytesUp),
    bytesDown: mean(({ bytesDown }) => bytesDown),
  };
  const parts = [];
  for (let step = steps; step < steps + counted; step += PART) {
    const { threadMs } = usedMs();
    for (let i = 0; i < PART; i++) {
      Atomics.wait(never, 0, 0, PAUSE_MS);
      begun.push(take(step + i, most > 1));
      if (begun.length >= most) await begun.shift();
    }
    parts.push((usedMs().threadMs - threadMs) / PART);
  }
  await program.catchUp();
  const pacedMs = quantile(parts, 0.5);
  // Device time, with one pass per dispatch, in separate steps.
  const dispatchMs = new Map();
  if (gpu.device.features.has(TIMES)) {
    watch.onDispatches = (list, times) => {
      for (const [d, { kernels, ms: each }] of times.entries()) {
        const name = kernels.join(' ');
        const key = `${list} ${d} ${name}`;
        dispatchMs.set(key, { kernels: name, ms: (dispatchMs.get(key)?.ms ?? 0) + each / TIMED });
      }
    };
    for (let step = steps + counted; step < steps + counted + TIMED; step++) await take(step, false);
  }
  program.dispose();
  const unlistedMs = (share) => unlisted.reduce((sum, times) => sum + quantile(times, share), 0) / POSTS;
  return {
    ...means,
    unlistedMs: unlistedMs(0.5),
    leastUnlistedMs: unlistedMs(0.1),
    pacedMs,
    dispatchMs: [...dispatchMs.values()],
  };
}

async function answer() {
  const gpu = await createGpu([TIMES]);
  if ('reason' in gpu) return { missing: `${gpu.reason}; ${gpu.fix}` };
  const { about } = gpu;
  try {
    return { about, measured: await measure(gpu, v8.deserialize(readFileSync(0))) };
  } catch (error) {
    if (error instanceof UserError) return { about, leftOut: error.message };
    throw error;
  }
}

process.stdout.write(`${JSON.stringify(await answer())}\n`, () => process.exit(0));
