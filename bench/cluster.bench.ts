// Distributed training steps of 1, 2 and 4 MPI ranks, also over 1 and 10 Gbit/s links: time by phase, bytes sent, and a
// model of both (5 minutes; requires Open MPI, and root for links).
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { it } from 'vitest';
import {
  HERE,
  inFolder,
  LAUNCHER,
  linkTimes,
  stepsMirrored,
  stepsTogether,
  writeWork,
  type Place,
} from './cluster/jobs.js';
import { measuredLink, shapeOf, stepMs, totalOf, type StepShape, type Work } from './cluster/model.js';
import { whyNoNamespaces, withLink } from './cluster/namespaces.js';
import { NETWORKS, payingOf, type Paying } from './cluster/paying.js';
import { splitOf, workOf } from './cluster/split.js';
import {
  linkRows,
  markdownOf,
  payingRows,
  sentRows,
  stepRows,
  type Measured,
  type MeasuredLink,
  type Rows,
} from './cluster/tables.js';
import { clusterWorks, payingWorks, type NamedWork } from './cluster/works.js';
import { withSection } from './models/table.js';
import { benchOptions, MACHINE, median, printTable, saveResults } from './results.js';

const PROCESSES = [2, 4];
/** Columns of the table that a page has; the others are only printed. */
const PAGE_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  paying: ['workload', 'machines', 'one machine, ms', ...NETWORKS.map(({ name }) => name)],
};
const GIGABITS = [1, 10];
/** Message sizes in bytes for measuring a link. */
const LENGTHS = [8, 4096, 16_384, 65_536, 131_072, 262_144, 1_048_576];
const TIMES = 40;
const threadsOf = (processes: number): number => Math.max(1, Math.floor(MACHINE.cores / processes));

async function measureLink(place: Place, between: string, processes: number, folder: string): Promise<MeasuredLink> {
  const all = await linkTimes(place, processes, folder, LENGTHS, TIMES);
  const msOf = new Map(
    LENGTHS.map((length, l) => {
      const times = Array.from({ length: TIMES }, (_, t) => {
        // As in a training step, time counts from the arrival of the last rank.
        const latest = Math.max(...all.map((each) => each[l]![t]!.beginMs));
        return all.reduce((sum, each) => sum + Math.max(0, each[l]![t]!.endMs - latest), 0) / processes;
      });
      return [length, median(times)];
    }),
  );
  return { between, processes, msOf };
}

/** Measurements of a workload on single ranks. */
interface Prepared {
  readonly work: NamedWork;
  readonly path: string;
  readonly shapes: ReadonlyMap<number, StepShape>;
  /** By number of ranks that work at the same time and exchange nothing. */
  readonly works: ReadonlyMap<number, Work>;
}

async function prepare(work: NamedWork, folder: string): Promise<Prepared> {
  const path = writeWork(folder, work.name, work);
  const works = new Map<number, Work>();
  for (const processes of PROCESSES) {
    works.set(processes, workOf(await stepsMirrored(processes, path, threadsOf(processes), processes)));
  }
  return {
    work,
    path,
    works,
    shapes: new Map(PROCESSES.map((processes) => [processes, shapeOf(work.plan, work.batches, processes)])),
  };
}

async function measureTogether(
  { work, path, shapes, works }: Prepared,
  place: Place,
  { between, processes, msOf }: MeasuredLink,
): Promise<Measured> {
  const threads = threadsOf(processes);
  const split = splitOf(await stepsTogether(place, processes, path, threads));
  const shape = shapes.get(processes)!;
  return {
    workload: work.name,
    between,
    processes,
    threads,
    ...split,
    model: { stepMs: stepMs(works.get(processes)!, shape, measuredLink(msOf)), bytes: totalOf(shape).bytes },
  };
}

it('cluster', async ({ skip }) => {
  if (spawnSync(LAUNCHER, ['--version'], { stdio: 'ignore' }).status !== 0)
    skip(`there is no ${LAUNCHER}: apt-get install openmpi-bin libopenmpi-dev`);
  const [alone, together, links, paying]: [Measured[], Measured[], MeasuredLink[], Paying[]] = [[], [], [], []];
  const reason = whyNoNamespaces();
  if (reason !== undefined) console.log(`links of 1 and 10 Gbit/s are left out: ${reason}`);
  await inFolder(async (folder) => {
    const prepared: Prepared[] = [];
    for (const work of clusterWorks()) {
      const ready = await prepare(work, folder);
      prepared.push(ready);
      for (const threads of new Set([1, MACHINE.cores]))
        alone.push({
          workload: work.name,
          between: '',
          processes: 1,
          threads,
          ...splitOf(await stepsTogether(HERE, 1, ready.path, threads)),
        });
    }
    const measure = async (place: Place, between: string, processes: number): Promise<void> => {
      const link = await measureLink(place, between, processes, folder);
      links.push(link);
      for (const each of prepared) together.push(await measureTogether(each, place, link));
    };
    for (const processes of PROCESSES) await measure(HERE, HERE.name, processes);
    // Two machines with half of the cores each.
    for (const gigabits of reason === undefined ? GIGABITS : [])
      await withLink(folder, gigabits, (place) => measure(place, `${gigabits} Gbit/s`, 2));
    for (const work of payingWorks()) paying.push(...(await payingOf(work, folder, MACHINE.cores)));
  });

  const crowded = PROCESSES.filter((processes) => processes > MACHINE.cores);
  const tables: readonly (readonly [name: string, title: string, rows: Rows])[] = [
    [
      'steps',
      'Steps, ms; the model is the work of a process and bare exchanges of as many bytes' +
        (crowded.length > 0 ? `; ${crowded.join(' and ')} processes take turns on ${MACHINE.cores} cores` : ''),
      stepRows([...alone, ...together]),
    ],
    ['sent', 'kB that a process sends in a step', sentRows(together.filter(({ between }) => between === HERE.name))],
    ['links', 'Links: microseconds of an exchange, by bytes to each of the others', linkRows(links)],
    ['paying', 'Times as fast as one machine, by the model; the work of each was measured here', payingRows(paying)],
  ];
  const { write } = benchOptions();
  for (const [name, title, rows] of tables) {
    printTable(title, rows);
    const columns = PAGE_COLUMNS[name];
    if (write !== undefined && columns !== undefined)
      writeFileSync(write, withSection(readFileSync(write, 'utf8'), name, markdownOf(rows, columns)));
  }
  saveResults('cluster', {
    links: links.map((link) => ({ ...link, msOf: Object.fromEntries(link.msOf) })),
    steps: [...alone, ...together].map(({ sent, ...rest }) => ({ ...rest, sent: Object.fromEntries(sent) })),
    paying,
  });
});
