import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { emptyBlock } from '../../chunks/row-block.js';
import type { Task } from '../../core/tasks.js';
import { readSafetensors, safetensorsParts } from '../../io/safetensors.js';
import { recipe, type Cache, type Recipe } from '../cache/cache.js';
import type { ComputeColumns, ComputedColumns } from './computed-columns.js';
import { chunkBatch, refuseShards, storedValueColumns, valueStorage, type StoredPart } from './stored-columns.js';
import { counterColumn, counterNames } from './counter-columns.js';
import { CounterPlan } from '../counters/counter-plan.js';
import { readContent, startSet, type CounterState } from '../counters/counter-set.js';
import {
  chooseStart,
  continueCounters,
  NO_COUNTERS,
  type EarlierCounters,
  type FirstRow,
  type RunCounters,
} from '../counters/counter-start.js';
import { CounterCells, RowCounter } from '../counters/row-counter.js';
import { parseDialect, type DialectOptions } from '../dialect.js';
import type { DataOptions } from '../options.js';
import { readChunks } from '../pipeline.js';
import { makeKey, type Fingerprint } from '../readers/fingerprint.js';
import type { ShardWriter } from '../shards/writer.js';
import { reportShare, type CellPart } from './cell-part.js';
import { CellParts } from './cell-parts.js';
import { findFiles } from './find-files.js';
import type { Reading } from './source.js';

/** File of a cache entry with the counters after its last row. */
const STATE = 'counters.safetensors';
/** Version of the stored values. */
const LAYOUT = 3;

/** Files that are counted together; their content is the key of their rows and of all before them. */
interface CountedPart extends StoredPart {
  /** Whether the counters after its last row are stored: rows of another source may follow. */
  readonly isLast: boolean;
}

/**
 * One pass of the counters over the files of all splits, in order of time. The values of each part are a cache entry
 * that depends on all files before it; a new file is counted from the state after the previous ones.
 */
export class CounterPass {
  readonly plan: CounterPlan;
  readonly #dialect: DialectOptions;
  #findStart: ((first: FirstRow) => CounterState | undefined) | undefined;
  /** State before the first row, once it is known. */
  #start: Promise<CounterState | undefined> | undefined;
  readonly #parts: CountedPart[] = [];
  readonly #sources = new Map<string, ComputedColumns>();
  readonly #ownCache: Cache = {};
  /** Number of parts that are counted. */
  #done = 0;
  /** Counters after the part before `#done`, if it was counted by this process. */
  #counter: RowCounter | undefined;

  private constructor(plan: CounterPlan, dialect: DialectOptions, counters: RunCounters) {
    this.plan = plan;
    this.#dialect = dialect;
    this.continueRun(counters);
  }

  /**
   * Creates the pass of a config; undefined if it has no counters.
   * @param counters of a run that trained on earlier rows; default: counters begin at zero
   * @param dialect of the files; default: the dialect of the config
   */
  static of(
    data: DataOptions,
    tasks: readonly Task[],
    counters = NO_COUNTERS,
    dialect = parseDialect(data),
  ): CounterPass | undefined {
    const plan = CounterPlan.of(data, tasks);
    return plan && new CounterPass(plan, dialect, counters);
  }

  /** Continues the counters of a run in data that is read for it. Called before anything is counted. */
  continueRun(counters: RunCounters): void {
    const isEmpty = counters.start === undefined && counters.ends.length === 0;
    this.#findStart = isEmpty ? undefined : (first) => chooseStart(this.plan, counters, first);
  }

  /**
   * Continues the counters of an earlier run in a new one. Called before anything is counted.
   * @param notify receives a description of the start
   */
  warmStart(earlier: EarlierCounters, notify: (text: string) => void): void {
    this.#findStart = (first) => {
      const { state, notice } = continueCounters(this.plan, earlier, first);
      notify(notice);
      return state;
    };
  }

  /** Adds the files of the next split, unless another split has the same ones; returns their counters. */
  readonly compute: ComputeColumns = async (paths) => {
    const key = JSON.stringify([paths].flat());
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    await refuseShards(paths, 'data.counters');
    const opening = { columns: this.plan.columns, dialect: this.#dialect, ownCache: this.#ownCache };
    const { all } = await CellParts.open(findFiles(paths), opening);
    const own = all.map((part, i) => ({ part, isLast: i === all.length - 1, content: '', folder: '' }));
    for (const part of own) this.#parts.push(part);
    const counters = storedValueColumns(counterNames(this.plan.names), own, {
      prepare: (reading) => this.countTo(own.at(-1)!, reading),
      columnsOf: () => Promise.resolve((values, chunk) => counterColumn(this.plan, values, chunk)),
    });
    this.#sources.set(key, counters);
    return counters;
  };

  /** Counts the rows of all parts up to one. */
  async countTo(last: CountedPart, reading: Reading): Promise<void> {
    const end = this.#parts.indexOf(last) + 1;
    const count = async (): Promise<void> => {
      for (; this.#done < end; this.#done++) await this.#countPart(this.#parts[this.#done]!, reading);
    };
    await (reading.sharing?.peers.rankZeroFirst(count) ?? count());
  }

  /** Returns the state before the first row, and that after each split that has rows, in order. */
  async states(reading: Reading): Promise<RunCounters> {
    const ends: CounterState[] = [];
    if (this.#parts.length > 0) await this.countTo(this.#parts.at(-1)!, reading);
    for (const counted of this.#parts) if (counted.isLast) ends.push(await readState(counted));
    return { start: await this.#start, ends: ends.filter(({ size }) => size > 0) };
  }

  async #countPart(counted: CountedPart, reading: Reading): Promise<void> {
    const { part, isLast } = counted;
    part.keepStream(reading);
    const start = await (this.#start ??= this.#readStart(reading));
    const before =
      this.#parts[this.#done - 1]?.content ?? (start === undefined ? makeKey(this.plan.recipe) : readContent(start));
    const recipeOf = (hasState: boolean): Recipe =>
      recipe('counters', [LAYOUT, this.plan.recipe, hasState, ...part.recipe], [before]);
    // The state is stored after the last part; other parts may have been the last of other sources.
    const withState = recipeOf(true);
    const own = isLast || !(await part.lacks('counters', withState, reading)) ? withState : recipeOf(false);
    if (!(await part.lacks('counters', own, reading))) this.#counter = undefined;
    counted.folder = await part.cachedRows('counters', own, valueStorage(this.plan.names), reading, (_, writer) =>
      this.#writePart(counted, before, reading, writer),
    );
    counted.content = makeKey(before, await part.fingerprint(reading));
    const large = isLast ? this.#counter?.set?.describeMemory(part.path) : undefined;
    if (large !== undefined) reading.onWarning?.(large);
    // No row follows.
    if (this.#done === this.#parts.length - 1) this.#counter = undefined;
  }

  async #writePart(
    { part, isLast }: CountedPart,
    before: string,
    reading: Reading,
    writer: ShardWriter,
  ): Promise<{ readonly read: Fingerprint }> {
    const counter = (this.#counter ??= await this.#counterBefore(reading));
    await this.#countRows(part, counter, reading, writer);
    const read = await part.hash(reading);
    const state = counter.set?.save(makeKey(before, read)) ?? new Map();
    if (isLast) writer.addFile(STATE, safetensorsParts(state));
    return { read };
  }

  /** Counts the rows of a part; writes the values if there is a writer. */
  async #countRows(
    { path, rows }: CellPart,
    counter: RowCounter,
    reading: Reading,
    writer?: ShardWriter,
  ): Promise<void> {
    const onShare = (share: number): void => reportShare(reading, `counting events in ${path}`, share);
    let current = 0;
    const startFiles = async (last: number): Promise<void> => {
      for (; current < last; current++) await writer?.add(emptyBlock(), [0]);
    };
    for await (const { chunk, columns, file, line } of readChunks(rows, onShare)) {
      const values = counter.count(chunk, columns, line);
      await startFiles(file);
      await writer?.add(chunkBatch(this.plan.names, values, chunk));
    }
    await startFiles(rows.length - 1);
  }

  /** Returns the counters before part `#done`: from the last state that is stored, and the parts after it. */
  async #counterBefore(reading: Reading): Promise<RowCounter> {
    const from = this.#parts.slice(0, this.#done).findLastIndex(({ folder }) => existsSync(join(folder, STATE)));
    const stored = from < 0 ? undefined : await readState(this.#parts[from]!);
    const state = stored && stored.size > 0 ? stored : await this.#start;
    const counter = new RowCounter(this.plan, () => startSet(this.plan, state));
    for (const { part } of this.#parts.slice(from + 1, this.#done)) await this.#countRows(part, counter, reading);
    return counter;
  }

  /** Finds the state from which the counters continue, if it depends on the first row. */
  async #readStart(reading: Reading): Promise<CounterState | undefined> {
    const first = this.#findStart && (await this.#firstRow(reading));
    return first && this.#findStart!(first);
  }

  /** Returns the first row with a valid time. */
  async #firstRow(reading: Reading): Promise<FirstRow | undefined> {
    for (const { part } of this.#parts) {
      // A stream is stored, since the read below ends at the first row.
      if (part.stream !== undefined) await part.fingerprint(reading);
      for await (const { chunk, columns } of readChunks(part.rows)) {
        const { path, constants } = columns;
        const cells = new CounterCells(this.plan, chunk, constants);
        for (let row = 0; row < chunk.rows; row++) {
          const time = cells.time(row);
          if (time !== undefined) return { time, path };
        }
      }
    }
    return undefined;
  }
}

/** Reads the counters after a part; empty if no row is before its end. */
function readState({ folder }: CountedPart): Promise<CounterState> {
  const blame = { kind: 'disk', fix: 'remove the cache directory, and run again' } as const;
  return readSafetensors(join(folder, STATE), undefined, { blame });
}
