// Training steps on WebGPU and the host's share of the time; MTL_WEBGPU_DAWN=backend=null measures without the device
// (minutes).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import v8 from 'node:v8';
import { it } from 'vitest';
import type { AboutGpu } from '../src/engines/webgpu/adapter.js';
import { count, printTable, saveResults } from './results.js';
import { trainingFlops } from './roofline.js';
import { batchesOf, chosenWorkloads, planOf, trainingOf, workloadName, type Workload } from './workloads.js';

/** Without a device, a step is JavaScript only, which reaches full speed after thousands of steps. */
const STEPS = (process.env['MTL_WEBGPU_DAWN'] ?? '').includes('backend=null') ? 3840 : 960;
const BATCHES = 20;

/** Means over steps; times in milliseconds. */
interface Measured {
  readonly ms: number;
  readonly hostMs: number;
  /** Wall-clock time without the work on index lists: the median and the fastest tenth. */
  readonly unlistedMs: number;
  readonly leastUnlistedMs: number;
  /** CPU time of steps that start after a pause, in which other threads have prepared their index lists. */
  readonly pacedMs: number;
  readonly processorMs: number;
  readonly handOverMs: number;
  readonly dispatches: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Device time per dispatch, in step order; empty if the device has no timestamps. */
  readonly dispatchMs: readonly { readonly kernels: string; readonly ms: number }[];
}

/** Measurements of a process, or the reason for their absence. */
type Found =
  | { readonly missing: string }
  | { readonly about: AboutGpu; readonly leftOut: string }
  | { readonly about: AboutGpu; readonly measured: Measured };

/**
 * Phases of a step by the kernels of a dispatch; the first match counts. Dispatches that match none belong to the
 * forward pass up to the losses and to the backward pass after them. Column copies occur in both, so lookups come
 * first.
 */
const PARTS: readonly (readonly [part: string, kernels: RegExp])[] = [
  ['lookup', /\b(lookup|lookupBags|copyColumns)\b/],
  ['losses', /\b(checkFinite|binaryCrossEntropy|squaredError)\b/],
  ['update', /(Table|Dense|Tensor)$|markRows|releaseTables/],
];

/** Returns milliseconds of a step on the device by phase. */
function partsOf(dispatchMs: Measured['dispatchMs']): Readonly<Record<string, number>> {
  const parts: Record<string, number> = { lookup: 0, forward: 0, losses: 0, back: 0, update: 0 };
  let way = 'forward';
  let hasLookedUp = false;
  for (const { kernels, ms } of dispatchMs) {
    const found = PARTS.find(([, pattern]) => pattern.test(kernels))?.[0] ?? way;
    hasLookedUp ||= found !== 'lookup';
    const part = found === 'lookup' && hasLookedUp ? way : found;
    if (part === 'losses') way = 'back';
    parts[part]! += ms;
  }
  return parts;
}

/** Measures a workload in a process of its own. */
function measure(work: Workload): Found {
  const input = v8.serialize({
    plan: planOf(work),
    training: trainingOf(work.weighting),
    batches: batchesOf(work, BATCHES),
    steps: STEPS,
  });
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(import.meta.dirname, 'webgpu-child.js')], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${workloadName(work)}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Found;
}

it('webgpu', () => {
  const results = [];
  let about: AboutGpu | undefined;
  for (const work of chosenWorkloads()) {
    const found = measure(work);
    if ('missing' in found) {
      console.log(`no WebGPU: ${found.missing}`);
      return;
    }
    about = found.about;
    if ('leftOut' in found) console.log(`${workloadName(work)} is left out: ${found.leftOut}`);
    else
      results.push({
        workload: workloadName(work),
        megaflopsPerStep: (trainingFlops(planOf(work).graph) * work.batchRows) / 1e6,
        ...found.measured,
      });
  }
  if (about === undefined || results.length === 0) return;
  printTable(
    `Milliseconds of a step on ${about.name}: all, processor time of the thread that trains (of it handing ` +
      'over, by the clock; without lists by the clock, the median and the fastest tenth; ' +
      'and after a pause in which others have made all lists), and of all threads',
    results.map((r) => ({
      workload: r.workload,
      'a step': r.ms.toFixed(3),
      host: r.hostMs.toFixed(3),
      'handing over': r.handOverMs.toFixed(3),
      'without lists': r.unlistedMs.toFixed(3),
      'fastest tenth': r.leastUnlistedMs.toFixed(3),
      'after a pause': r.pacedMs.toFixed(3),
      'all threads': r.processorMs.toFixed(3),
      dispatches: count(r.dispatches),
      'bytes up': count(r.bytesUp),
      'bytes down': count(r.bytesDown),
      MFLOPs: r.megaflopsPerStep.toFixed(1),
    })),
  );
  const timed = results.filter(({ dispatchMs }) => dispatchMs.some(({ ms }) => ms > 0));
  if (timed.length > 0)
    printTable(
      'Of a step by the clock of the device, ms',
      timed.map(({ workload, dispatchMs }) => ({
        workload,
        ...Object.fromEntries(Object.entries(partsOf(dispatchMs)).map(([part, ms]) => [part, ms.toFixed(3)])),
      })),
    );
  else console.log('The device has no clock, or computes nothing: there is no split of a step.');
  saveResults('webgpu', { device: about, workloads: results });
});
