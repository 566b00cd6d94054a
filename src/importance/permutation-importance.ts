import { setImmediate } from 'node:timers/promises';
import type { Batch } from '../core/batch.js';
import type { Program } from '../engines/engine.js';
import { createCollector } from '../evaluation/evaluation.js';
import type { Output } from '../evaluation/outputs.js';
import { randomStream, shuffledOrder } from '../core/random.js';
import { computeInterval, type Interval } from './interval.js';
import { computeDrop, valuesOf, type Measure } from './measures.js';
import type { Permuter } from './permuted.js';

/** Fields that are permuted together. */
export interface Unit {
  readonly name: string;
  /** Columns of the model's input. */
  readonly fields: readonly string[];
}

/** What is measured, of what. */
export interface DropsOptions {
  readonly program: Program;
  readonly spaces: readonly Output[];
  readonly measures: readonly Measure[];
  readonly rows: Permuter;
  readonly numRows: number;
  readonly units: readonly Unit[];
  readonly repeats: number;
  readonly seed: number;
  /** Told the share that is done. */
  onShare(share: number): void;
  /** Aborted to give up; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** What was found, in the order of the measures: null where one has no value. */
export interface Drops {
  readonly plain: readonly (number | null)[];
  /** By unit: how much worse each measure is without what the unit says. */
  readonly byUnit: ReadonlyMap<string, readonly (Interval | null)[]>;
}

/**
 * Measures how much worse a model is where units hold what they hold in other rows, and so tell nothing of theirs
 * (Breiman 2001,
 * section 10; Fisher, Rudin & Dominici 2019). All units are permuted alike, by one permutation of all rows a repeat,
 * which depends on the
 * seed and on the number of rows: so what is found of a unit does not depend on the others, and they are compared on
 * the same luck.
 */
export async function measureDrops({
  program,
  spaces,
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
    const collector = createCollector(spaces);
    for (const batch of batches) collector.add(batch, await program.predict(batch));
    // Signals are heard only when the event loop gets a turn.
    await setImmediate();
    signal.throwIfAborted();
    return valuesOf(measures, collector.blocks);
  };

  const plain = await measure(rows.plain());
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
            plain[m] === null || values[m] === null ? null : computeDrop(each, plain[m]!, values[m]!),
          ),
        );
      onShare((repeat * units.length + u + 1) / (repeats * units.length));
    }
  }
  const intervals = (repeated: readonly (readonly (number | null)[])[]): readonly (Interval | null)[] =>
    measures.map((_, m) => {
      const falls = repeated.flatMap((values) => values[m] ?? []);
      return falls.length === 0 ? null : computeInterval(falls);
    });
  return { plain, byUnit: new Map([...worse].map(([name, repeated]) => [name, intervals(repeated)])) };
}
