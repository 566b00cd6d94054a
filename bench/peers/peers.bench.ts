// mtl beside PyTorch tuned by hand and torch-rechub, in turns on one machine: rows trained a second, and ratios with their spread (5 minutes).
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { it } from 'vitest';
import { count, MACHINE, median, printTable, resultsFile, saveResults } from '../results.js';
import { chosenWorkloads, workloadName, type Workload } from '../workloads.js';
import { findTorch, ownSide, torchSide, type Side, type Versions } from './sides.js';

const ROUNDS = 5;
/** Long enough that a clock's jitter and a stray interrupt do not matter. */
const ROUND_MS = 1500;
const WARM_STEPS = 6;
/** What is still on its way to sleep after a round gets there. */
const SETTLE_MS = 300;
/** Distinct rows of a side, gone through again and again. */
const rowsOf = ({ batchRows }: Workload): number => Math.floor(Math.min(200_000, batchRows * 4000) / batchRows) * batchRows;

/** What we want to be, against PyTorch by hand. */
const TARGETS: Readonly<Record<string, string>> = { 'esmm-20': '≥ 8', 'esmm-1024': '≥ 3.5', 'esmm-4096': '≥ 3.5', 'mmoe-1024': '≥ 3.5', 'mmoe-wide-1024': '≥ 1', 'esmm-paper-1024': 'near 1' };

interface Measured {
  readonly name: string;
  readonly steps: number;
  /** Milliseconds of a step, by round. */
  readonly ms: readonly number[];
  readonly rowsPerSecond: number;
}

/** Runs the sides in turns; also the largest share of a core that the others took while one ran. */
async function inTurns(sides: readonly Side[], batchRows: number): Promise<{ measured: Measured[]; idleShare: number }> {
  const states = [];
  for (const side of sides) {
    await side.run(WARM_STEPS);
    const steps = Math.min(4000, Math.max(WARM_STEPS, Math.round(ROUND_MS / (await side.run(WARM_STEPS)))));
    // A round that does not count: the first visit to a row takes fresh pages for what the optimizer keeps of it.
    await side.run(steps);
    states.push({ side, steps, ms: [] as number[] });
  }
  let idleShare = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const { side, steps, ms } of states) {
      await setTimeout(SETTLE_MS);
      // Our own sides are one process, which cannot tell its parts apart.
      const own = side.name.startsWith('mtl');
      const others = sides.filter((other) => other.name.startsWith('mtl') !== own || (!own && other !== side));
      const before = others.map((other) => other.cpuSeconds());
      const start = performance.now();
      ms.push(await side.run(steps));
      const seconds = (performance.now() - start) / 1000;
      for (const [i, other] of others.entries()) idleShare = Math.max(idleShare, ((other.cpuSeconds() ?? 0) - (before[i] ?? 0)) / seconds);
    }
  }
  return { idleShare, measured: states.map(({ side: { name }, steps, ms }) => ({ name, steps, ms, rowsPerSecond: (1000 * batchRows) / median(ms) })) };
}

interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** How many times as fast the first is, round by round. */
function ratioOf(ours: Measured, theirs: Measured): Ratio {
  const ratios = theirs.ms.map((ms, round) => ms / ours.ms[round]!);
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

async function compare(work: Workload, { torchRechub }: Versions) {
  const rows = rowsOf(work);
  const sides = [...new Set([MACHINE.cores, 1])].map((threads) => ownSide(work, threads, rows));
  try {
    sides.push(await torchSide('hand', work, rows));
    if (torchRechub !== null) sides.push(await torchSide('torch-rechub', work, rows));
    const { measured, idleShare } = await inTurns(sides, work.batchRows);
    const [ours, hand, rechub] = [measured[0]!, measured.find(({ name }) => name === 'PyTorch by hand')!, measured.find(({ name }) => name === 'torch-rechub')];
    return { workload: workloadName(work), sides: measured, toHand: ratioOf(ours, hand), ...(rechub === undefined ? {} : { toRechub: ratioOf(ours, rechub) }), idleShare };
  } finally {
    for (const side of sides) await side.close();
  }
}

/** Entries of earlier runs, so that a bench may be run workload by workload. */
function earlier(): Readonly<Record<string, object>> {
  return existsSync(resultsFile('peers')) ? (JSON.parse(readFileSync(resultsFile('peers'), 'utf8')) as { workloads: Record<string, object> }).workloads : {};
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
  const results = [];
  for (const work of works) results.push(await compare(work, torch));

  const spread = ({ median: middle, least, most }: Ratio): string => `${middle.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
  printTable(
    `Rows trained a second, medians of ${ROUNDS} rounds in turns; ratios of ${MACHINE.cores} threads, with the least and the most of a round`,
    results.map(({ workload, sides, toHand, toRechub, idleShare }) => ({
      workload,
      ...Object.fromEntries(sides.map(({ name, rowsPerSecond }) => [name, count(rowsPerSecond)])),
      'to PyTorch by hand': spread(toHand),
      target: TARGETS[workload] ?? '',
      ...(toRechub === undefined ? {} : { 'to torch-rechub': spread(toRechub) }),
      'idle sides took': `${(100 * idleShare).toFixed(0)}% of a core`,
    })),
  );
  console.log(`torch ${torch.torch} (${torch.blas}, ${torch.cpu}, ${torch.threads} threads), torch-rechub ${torch.torchRechub ?? 'none'}, Python ${torch.python}`);
  const run = { machine: MACHINE, time: new Date().toISOString(), torch };
  saveResults('peers', { workloads: { ...earlier(), ...Object.fromEntries(results.map((result) => [result.workload, { ...result, ...run }])) } });
});
