import { setImmediate } from 'node:timers/promises';
import type { Batch } from '../core/batch.js';
import type { Program } from '../engines/engine.js';
import { createCollector } from '../evaluation/evaluation.js';
import type { Output } from '../evaluation/outputs.js';
import { randomStream, shuffledOrder } from '../core/random.js';
import { computeInterval, type Interval } from './interval.js';
import { computeDrop, computeMeasures, type Measure } from './measures.js';
import type { Permuter } from './permuted.js';

/** Fields to permute together. */
export interface Unit {
  readonly name: string;
  /** Input columns of the model. */
  readonly fields: readonly string[];
}

export interface DropsOptions {
  readonly program: Program;
  readonly outputs: readonly Output[];
  readonly measures: readonly Measure[];
  readonly rows: Permuter;
  readonly numRows: number;
  readonly units: readonly Unit[];
  readonly repeats: number;
  readonly seed: number;
  /** Receives the progress in [0, 1]. */
  onShare(share: number): void;
  /** Aborts the measurement; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** Result of `measureDrops`, in the order of the measures; null if undefined. */
export interface Drops {
  readonly unpermuted: readonly (number | null)[];
  /** Drop of each measure by unit. */
  readonly byUnit: ReadonlyMap<string, readonly (Interval | null)[]>;
}

/**
 * Measures how much worse a model gets if the fields of a unit hold the values of other rows (Breiman 2001, section 10;
 * Fisher, Rudin & Dominici 2019). In each repeat, all units use the same permutation, which depends only on the seed
 * and the number of rows. So the result of a unit does not depend on the others, and all see the same noise.
 */
export async function measureDrops({
  program,
  outputs,
  measures,
  rows,
  numRows,
  units,
  repeats,
  seed,
  onShare,
  signal,
}: DropsOptions): Promise<Drops> {
  const measure = async (batches: Iterable<Batch>): Promise<readonly (number | null)[]> => {
    const collector = createCollector(outputs);
    for (const batch of batches) collector.add(batch, await program.predict(batch));
    // Abort signals arrive only when the event loop runs.
    await setImmediate();
    signal.throwIfAborted();
    return computeMeasures(measures, collector.blocks);
  };

  const unpermuted = await measure(rows.unpermuted());
  const worse = new Map(units.map(({ name }) => [name, [] as (readonly (number | null)[])[]]));
  const order = new Uint32Array(numRows);
  for (let repeat = 0; repeat < repeats; repeat++) {
    shuffledOrder(order, numRows, randomStream(seed, 'importance', repeat));
    for (const [u, { name, fields }] of units.entries()) {
      const values = await measure(rows.permuted(fields, order));
      worse
        .get(name)!
        .push(
          measures.map((each, m) =>
            unpermuted[m] === null || values[m] === null ? null : computeDrop(each, unpermuted[m]!, values[m]!),
          ),
        );
      onShare((repeat * units.length + u + 1) / (repeats * units.length));
    }
  }
  const intervals = (repeated: readonly (readonly (number | null)[])[]): readonly (Interval | null)[] =>
    measures.map((_, m) => {
      const drops = repeated.flatMap((values) => values[m] ?? []);
      return drops.length === 0 ? null : computeInterval(drops);
    });
  return { unpermuted, byUnit: new Map([...worse].map(([name, repeated]) => [name, intervals(repeated)])) };
}
