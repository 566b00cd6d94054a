import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SINGLE_PROCESS } from '../src/core/process-group.js';
import { createCpuEngine } from '../src/engines/cpu/engine.js';
import { readSafetensors } from '../src/io/safetensors.js';
import type { ProgramState } from '../src/engines/engine.js';
import { randomStream } from '../src/core/random.js';
import { PART_NUMBERS, countElements } from '../src/core/tensor.js';
import { programContents, writeContents, type Contents } from '../src/runs/checkpoint-contents.js';
import { selectChanges } from '../src/runs/delta.js';
import { FILES } from '../src/runs/manifest.js';
import { createRowJournal } from '../src/tables/row-journal.js';
import { count, MACHINE, median, printTable } from './results.js';
import { batchesOf, planOf, VOCABULARY, type Workload } from './workloads.js';

// One model on vocabularies of several sizes: cost of a step with cache misses, and time to save and restore.

/** Rows of 32 bytes with optimizer state: 400 million rows take 12 GiB. */
const NARROW: Workload = {
  name: 'esmm-narrow',
  batchRows: 1024,
  width: 7,
  numbers: [],
  embeddings: { name: 'row-wise-adagrad' },
  model: {
    name: 'esmm',
    ctrTower: { hidden: [16, 8], batchNorm: true },
    cvrTower: { hidden: [16, 8], batchNorm: true },
  },
};
const STEPS = 1000;
const IDS = Object.values(VOCABULARY).reduce((sum, ids) => sum + ids, 0);

/** Measurements for one vocabulary size. */
export interface VocabularySpeed {
  readonly ids: number;
  readonly tableBytes: number;
  readonly stepMs: number;
  /** CPU time of a step, over all threads. */
  readonly stepCpuMs: number;
  readonly saveSeconds: number;
  readonly restoreSeconds: number;
  /** Time to save the rows that all steps changed, and their number. */
  readonly deltaSeconds: number;
  readonly changedRows: number;
  /** Peak memory of the process. */
  readonly peakBytes: number;
}

/** Repeats a block of initial weights: generating billions takes minutes, and every row must be written once. */
function firstState({ weights, optimizer }: ProgramState): ProgramState {
  const random = randomStream(0, 'vocabulary');
  const drawn = Float32Array.from({ length: PART_NUMBERS }, () => 1e-4 * random.normal());
  const repeated = (tensors: ProgramState['weights'], data: Float32Array): ProgramState['weights'] =>
    new Map(
      [...tensors].map(([name, tensor]) => [
        name,
        tensor.parts === undefined
          ? tensor
          : {
              shape: tensor.shape,
              data,
              parts: () => partsOfSize(countElements(tensor.shape), tensor.shape[1]!, data),
            },
      ]),
    );
  return { step: 0, weights: repeated(weights, drawn), optimizer: repeated(optimizer, new Float32Array(PART_NUMBERS)) };
}

function* partsOfSize(count: number, width: number, numbers: Float32Array): Generator<Float32Array> {
  const most = Math.floor(numbers.length / width) * width;
  for (let begin = 0; begin < count; begin += most) yield numbers.subarray(0, Math.min(most, count - begin));
}

/** Trains with `ids` ids in all tables, saves the state and restores it. */
async function measureVocabulary(ids: number): Promise<VocabularySpeed> {
  const scale = ids / IDS;
  const plan = planOf(NARROW, scale);
  const seconds = async (work: () => unknown): Promise<number> => {
    const start = performance.now();
    await work();
    return (performance.now() - start) / 1000;
  };
  const program = createCpuEngine(MACHINE.cores).compile({ ...plan, isRestored: true });
  program.restore(firstState(program.state()));
  const batches = batchesOf(NARROW, STEPS, scale);
  const journal = createRowJournal(plan.layout);
  const times: number[] = [];
  let before = process.cpuUsage();
  for (const [step, batch] of batches.entries()) {
    if (step === STEPS >> 1) before = process.cpuUsage();
    const start = performance.now();
    await program.trainStep(batch);
    journal.mark(batch);
    if (step >= STEPS >> 1) times.push(performance.now() - start);
  }
  const cpu = process.cpuUsage(before);
  const folder = mkdtempSync(join(tmpdir(), 'mtl-vocabulary-'));
  const write = async (contents: Contents): Promise<void> => {
    await writeContents(contents, (name) => join(folder, name));
  };
  try {
    const state = program.state();
    let changedRows = 0;
    const deltaSeconds = await seconds(async () => {
      const previous = { name: 'step-00000000', sha256: '' };
      const delta = selectChanges(state, journal.rows(), [previous], SINGLE_PROCESS);
      for (const rows of delta.rows.values()) changedRows += rows.length;
      await write(programContents(delta.program, delta.rows));
    });
    const saveSeconds = await seconds(() => write(programContents(state)));
    const restoreSeconds = await seconds(async () => {
      const read = async (name: string): Promise<ProgramState['weights']> =>
        (await readSafetensors(join(folder, name))) as ProgramState['weights']; // in file order
      program.restore({ step: state.step, weights: await read(FILES.weights), optimizer: await read(FILES.optimizer) });
    });
    return {
      ids,
      saveSeconds,
      restoreSeconds,
      deltaSeconds,
      changedRows,
      tableBytes: plan.layout.tables.reduce((sum, { rows, width }) => sum + rows * (width + 1) * 4, 0),
      stepMs: median(times),
      stepCpuMs: (cpu.user + cpu.system) / 1000 / times.length,
      peakBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    program.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Measures small vocabularies, then one of `most` ids. */
export async function compareVocabularies(most: number): Promise<readonly VocabularySpeed[]> {
  const speeds: VocabularySpeed[] = [];
  for (const ids of [IDS, 10 * IDS, most]) {
    speeds.push(await measureVocabulary(ids));
    console.log(JSON.stringify(speeds.at(-1)));
  }
  const gigabytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
  printTable(
    `Batches of ${NARROW.batchRows}, ${MACHINE.cores} threads, rows of ${NARROW.width} and what row-wise Adagrad keeps`,
    speeds.map((speed) => ({
      'million ids': (speed.ids / 1e6).toFixed(1),
      'tables, GiB': gigabytes(speed.tableBytes),
      'ms a step': speed.stepMs.toFixed(2),
      'CPU ms': speed.stepCpuMs.toFixed(2),
      'save, s': speed.saveSeconds.toFixed(1),
      'restore, s': speed.restoreSeconds.toFixed(1),
      'rows changed': count(speed.changedRows),
      'delta, s': speed.deltaSeconds.toFixed(2),
      'peak memory, GiB': gigabytes(speed.peakBytes),
    })),
  );
  return speeds;
}
