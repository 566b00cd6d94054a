// mtl compared with hand-tuned PyTorch (fp32, compiled, bf16, both) and torch-rechub, interleaved on one machine:
// rows/s, ratios with their spread, and share of the roofline (30 minutes; --only selects workloads).
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { it } from 'vitest';
import { count, MACHINE, median, printTable, resultsFile, saveResults } from '../results.js';
import { chosenWorkloads, workloadName, type Workload } from '../workloads.js';
import { peaksOf, rooflineOf, type Peaks } from '../roofline.js';
import { findTorch, ownSide, torchForms, torchSide, type Side, type Versions } from './sides.js';

const ROUNDS = 5;
/** Long enough to average out clock jitter and interrupts. */
const ROUND_MS = 1500;
const WARM_STEPS = 6;
/** Time for a side's threads to go to sleep after a round. */
const SETTLE_MS = 300;
/** Distinct rows of a side, repeated; histories require more memory per row. */
const rowsOf = ({ batchRows, history }: Workload): number => {
  const most = history === undefined ? 200_000 : history.top === undefined ? 40_960 : 4096;
  return Math.floor(Math.min(most, batchRows * 4000) / batchRows) * batchRows;
};

/** Targets: f32 compared with hand-tuned PyTorch; and with its best variant, in f32 or (wide models) bf16. */
const TARGETS: Readonly<Record<string, { readonly hand: string; readonly best?: string; readonly bf16?: string }>> = {
  'esmm-20': { hand: '≥ 12' },
  'esmm-1024': { hand: '≥ 5', best: '≥ 4' },
  'esmm-4096': { hand: '≥ 4', best: '≥ 3' },
  'esmm-16384': { hand: '≥ 3.5', best: '≥ 3' },
  'mmoe-1024': { hand: '≥ 4', best: '≥ 4' },
  'mmoe-wide-1024': { hand: '≥ 2', bf16: '≥ 1.5' },
  'mmoe-wide-8192': { hand: '≥ 1.4', bf16: '≥ 1.5' },
  'esmm-paper-1024': { hand: '≥ 1.6', bf16: '≥ 1.3' },
  'esmm-paper-8192': { hand: '≥ 1.1', bf16: '≥ 1.3' },
  'din-50-1024': { hand: '≥ 3', best: '≥ 3' },
  'din-200-1024': { hand: '≥ 3', best: '≥ 3' },
};

interface Measured {
  readonly name: string;
  readonly steps: number;
  /** Milliseconds per step, by round. */
  readonly ms: readonly number[];
  readonly rowsPerSecond: number;
}

/** Runs the sides interleaved; also returns the largest share of a core that other sides used during a round. */
async function inTurns(
  sides: readonly Side[],
  batchRows: number,
): Promise<{ measured: Measured[]; idleShare: number }> {
  const states = [];
  for (const side of sides) {
    await side.run(WARM_STEPS);
    const steps = Math.min(4000, Math.max(WARM_STEPS, Math.round(ROUND_MS / (await side.run(WARM_STEPS)))));
    // A warm-up round: first access to optimizer state allocates pages.
    await side.run(steps);
    states.push({ side, steps, ms: [] as number[] });
  }
  let idleShare = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const { side, steps, ms } of states) {
      await setTimeout(SETTLE_MS);
      // mtl's variants share one process, whose CPU time cannot be separated.
      const others = sides.filter((other) => other !== side && !(other.isOwn && side.isOwn));
      const before = others.map((other) => other.cpuSeconds());
      const start = performance.now();
      ms.push(await side.run(steps));
      const seconds = (performance.now() - start) / 1000;
      for (const [i, other] of others.entries())
        idleShare = Math.max(idleShare, ((other.cpuSeconds() ?? 0) - (before[i] ?? 0)) / seconds);
    }
  }
  return {
    idleShare,
    measured: states.map(({ side: { name }, steps, ms }) => ({
      name,
      steps,
      ms,
      rowsPerSecond: (1000 * batchRows) / median(ms),
    })),
  };
}

interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Speed ratio of two sides by round. */
function ratioOf(ours: Measured, theirs: Measured): Ratio {
  const ratios = theirs.ms.map((ms, round) => ms / ours.ms[round]!);
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/** Returns the sides that can run, and prints why others cannot. */
async function sidesOf(work: Workload, versions: Versions): Promise<{ sides: Side[]; missing: string[] }> {
  const rows = rowsOf(work);
  const sides: Side[] = [
    ownSide(work, MACHINE.cores, rows),
    ownSide({ ...work, precision: 'bf16' }, MACHINE.cores, rows),
    ...(MACHINE.cores > 1 ? [ownSide(work, 1, rows)] : []),
  ];
  const missing: string[] = [];
  for (const form of torchForms(work, versions)) {
    try {
      sides.push(await torchSide(form, work, rows));
    } catch (error) {
      missing.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { sides, missing };
}

/** Measures all sides of a workload; returns undefined, after printing the reason, if PyTorch cannot run it. */
async function compare(work: Workload, versions: Versions, peaks: Peaks) {
  const { sides, missing } = await sidesOf(work, versions);
  for (const reason of missing) console.log(`${workloadName(work)}: ${reason}`);
  try {
    const forms = torchForms(work, versions);
    if (!sides.some(({ name }) => name === forms[0]!.name)) return undefined;
    const { measured, idleShare } = await inTurns(sides, work.batchRows);
    const named = (name: string): Measured | undefined => measured.find((each) => each.name === name);
    const [ours, bf16] = [measured[0]!, measured[1]!];
    const handTuned = forms.filter(({ isByHand }) => isByHand).flatMap(({ name }) => named(name) ?? []);
    const best = handTuned.reduce((fastest, form) => (form.rowsPerSecond > fastest.rowsPerSecond ? form : fastest));
    const rechub = forms.find(({ isByHand }) => !isByHand);
    const library = rechub && named(rechub.name);
    return {
      workload: workloadName(work),
      sides: measured,
      missing,
      best: best.name,
      toHand: ratioOf(ours, named(forms[0]!.name)!),
      toBest: ratioOf(ours, best),
      bf16ToBest: ratioOf(bf16, best),
      ...(library === undefined ? {} : { toRechub: ratioOf(ours, library) }),
      shareOfRoofline: rooflineOf(work, peaks).ms / median(ours.ms),
      idleShare,
    };
  } finally {
    for (const side of sides) await side.close();
  }
}

/** Rows/s by side; sides that did not run are absent. */
function rowsPerSecondOf(sides: readonly Measured[], names: readonly string[]): Record<string, string> {
  const measured = new Map(sides.map(({ name, rowsPerSecond }) => [name, count(rowsPerSecond)]));
  return Object.fromEntries(names.map((name) => [name, measured.get(name) ?? '–']));
}

/** Results of earlier runs, so that workloads can be run separately. */
function earlier(): Readonly<Record<string, object>> {
  return existsSync(resultsFile('peers'))
    ? (JSON.parse(readFileSync(resultsFile('peers'), 'utf8')) as { workloads: Record<string, object> }).workloads
    : {};
}

it('peers', async () => {
  // The peers have no weighted bags.
  const works = chosenWorkloads().filter(({ bags, embeddings }) => bags === undefined && embeddings === undefined);
  const torch = findTorch();
  if ('reason' in torch) {
    console.log(`no peers to measure: ${torch.reason}\nMTL_PYTHON names a Python that has torch and torch-rechub`);
    return;
  }
  if (torch.torchRechub === null) console.log('torch-rechub is not installed in this Python: it is left out');
  const peaks = await peaksOf(works, MACHINE.cores);
  const results = [];
  for (const work of works) {
    const result = await compare(work, torch, peaks);
    if (result !== undefined) results.push(result);
  }

  const spread = ({ median: middle, least, most }: Ratio): string =>
    `${middle.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
  const names = [...new Set(results.flatMap(({ sides }) => sides.map(({ name }) => name)))];
  printTable(
    `Rows trained a second, medians of ${ROUNDS} rounds in turns`,
    results.map(({ workload, sides, idleShare }) => ({
      workload,
      ...rowsPerSecondOf(sides, names),
      'idle sides took': `${(100 * idleShare).toFixed(0)}% of a core`,
    })),
  );
  printTable(
    `Ratios of ${MACHINE.cores} threads, with the least and the most of a round; targets; ` +
      'and what share of the roofline f32 is (see the bench engine)',
    results.map(({ workload, best, toHand, toBest, bf16ToBest, toRechub, shareOfRoofline }) => ({
      workload,
      'f32 to PyTorch by hand': spread(toHand),
      target: TARGETS[workload]?.hand ?? '',
      'its best form': best,
      'f32 to it': spread(toBest),
      'target ': TARGETS[workload]?.best ?? '',
      'bf16 to it': spread(bf16ToBest),
      'target  ': TARGETS[workload]?.bf16 ?? '',
      'f32 to torch-rechub': toRechub === undefined ? '' : spread(toRechub),
      'share of roofline': `${(100 * shareOfRoofline).toFixed(0)}%`,
    })),
  );
  console.log(
    `peaks of ${MACHINE.cores} threads: ${(peaks.flops / 1e9).toFixed(1)} GFLOP/s in products; ` +
      [...peaks.rowUpdates].map(([width, rate]) => `${count(rate)} random rows of ${width} by Adam`).join(', ') +
      ' a second',
  );
  console.log(
    `torch ${torch.torch} (${torch.blas}, ${torch.cpu}, ${torch.threads} threads), ` +
      `torch-rechub ${torch.torchRechub ?? 'none'}, Python ${torch.python}`,
  );
  const run = { machine: MACHINE, time: new Date().toISOString(), torch };
  saveResults('peers', {
    workloads: {
      ...earlier(),
      ...Object.fromEntries(results.map((result) => [result.workload, { ...result, ...run }])),
    },
  });
});
