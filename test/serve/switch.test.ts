/** @module-tag long */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';
import { randomStream } from '../../src/core/random.js';
import { saveCheckpoint, type Checkpoint } from '../../src/runs/checkpoint.js';
import { selectChanges } from '../../src/runs/delta.js';
import { DeltaFollower } from '../../src/serve/delta-follower.js';
import type { PreparedDelta } from '../../src/serve/messages.js';
import { scratchFolder } from '../support/scratch.js';

const [ROWS, WIDTH, DELTAS, READERS] = [64, 24, 8, 3];
const TENSOR = 'embeddings.t';

/** Elements of each row by version: a delta sets the rows that it changes to its number. */
function listVersions(): readonly Float32Array[] {
  const random = randomStream(3, 'rows');
  const versions = [new Float32Array(ROWS)];
  for (let v = 1; v <= DELTAS; v++)
    versions.push(versions[v - 1]!.map((before, row) => (row % 8 === 0 || random.below(3) === 0 ? v : before)));
  return versions;
}

function checkpointOf(step: number, values: Float32Array): Checkpoint {
  const data = Float32Array.from({ length: ROWS * WIDTH }, (_, at) => values[Math.floor(at / WIDTH)]!);
  return {
    program: { step, weights: new Map([[TENSOR, { shape: [ROWS, WIDTH], data }]]), optimizer: new Map() },
    sections: {},
    fitted: {},
    config: 'name: x\n',
    states: {},
    lookups: new Map(),
  };
}

/** Saves all versions; returns the directory of the last one and the digest of the first. */
async function saveVersions(versions: readonly Float32Array[]): Promise<{ folder: string; sha256: string }> {
  const run = scratchFolder();
  const retention = { keepLast: 100, damaged: [] };
  const first = await saveCheckpoint(run, checkpointOf(0, versions[0]!), ['last'], retention);
  let id = first;
  for (let v = 1; v <= DELTAS; v++) {
    const checkpoint = checkpointOf(v, versions[v]!);
    const rows = Uint32Array.from(versions[v]!.keys()).filter((row) => versions[v]![row] === v);
    const delta = selectChanges(checkpoint.program, new Map([['t', rows]]), [id], SINGLE_PROCESS);
    id = await saveCheckpoint(run, checkpoint, ['last'], retention, SINGLE_PROCESS, { delta });
  }
  return { folder: join(run, 'checkpoints', id.name), sha256: first.sha256 };
}

/** Threads that read all rows all the time. */
class Readers {
  readonly #threads: readonly { readonly worker: Worker; readonly counts: Int32Array }[];

  constructor(data: Float32Array, expected: readonly Float32Array[]) {
    this.#threads = Array.from({ length: READERS }, () => {
      const counts = new Int32Array(new SharedArrayBuffer(8));
      const workerData = { data, width: WIDTH, expected, counts };
      return { worker: new Worker(join(import.meta.dirname, '../support/row-reader.js'), { workerData }), counts };
    });
  }

  /** Elements that were not those of the reader's version. */
  get wrong(): number {
    return this.#threads.reduce((sum, { counts }) => sum + Atomics.load(counts, 1), 0);
  }

  /** Waits until each thread has read all rows once more. */
  async read(): Promise<void> {
    const before = this.#threads.map(({ counts }) => Atomics.load(counts, 0));
    // The pass in progress may have begun earlier.
    while (this.#threads.some(({ counts }, i) => Atomics.load(counts, 0) < before[i]! + 2)) await wait(1);
  }

  async switchTo({ program, moved }: PreparedDelta): Promise<void> {
    const message = { version: program.step, moved: moved.get('t') ?? new Uint32Array(0) };
    await Promise.all(
      this.#threads.map(({ worker }) => {
        const switched = once(worker, 'message');
        worker.postMessage(message);
        return switched;
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}

/**
 * Applies all deltas while threads read, and counts wrong elements.
 * @param late the switches that reach the threads only when the next one is due, although the writer goes on
 */
async function countWrong(late: 'none' | 'to the spare rows' | 'back to the own rows'): Promise<number> {
  const versions = listVersions();
  const { folder, sha256 } = await saveVersions(versions);
  // Spare rows follow those of the table.
  const data = new Float32Array(new SharedArrayBuffer(2 * 4 * ROWS * WIDTH));
  const { program, sections, config } = checkpointOf(0, versions[0]!);
  const weights = new Map([[TENSOR, { shape: [ROWS, WIDTH], data: data.subarray(0, ROWS * WIDTH) }]]);
  const stored = { program: { ...program, weights }, sections, config };
  const readers = new Readers(data, versions);
  onTestFinished(() => readers.close());
  const spec = { stored, tables: [{ tensor: TENSOR, ids: 't' }], tokens: new Map<string, never>(), raw: true };
  let due: PreparedDelta | undefined;
  const switchThreads = async (delta: PreparedDelta): Promise<void> => {
    await readers.read();
    if (due !== undefined) await readers.switchTo(due);
    due = undefined;
    const isLate = late === (delta.moved.size > 0 ? 'to the spare rows' : 'back to the own rows');
    if (isLate) due = delta;
    else await readers.switchTo(delta);
    await readers.read();
  };
  const follower = new DeltaFollower(spec, sha256, { prepare: () => Promise.resolve(() => undefined), switchThreads });
  onTestFinished(() => follower.close());
  await readers.read();
  expect(await follower.follow(folder)).toBe(true);
  if (due !== undefined) await readers.switchTo(due);
  await readers.read();
  return readers.wrong;
}

describe('threads that read a table while deltas are applied', () => {
  it('see the rows of one version, and no half row', async () => {
    expect(await countWrong('none')).toBe(0);
  });

  // The order of the switches is what keeps versions apart.
  it.each(['to the spare rows', 'back to the own rows'] as const)(
    'see another version if the writer goes on before they switch %s',
    async (late) => {
      expect(await countWrong(late)).toBeGreaterThan(0);
    },
  );
});
