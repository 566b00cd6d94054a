import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, safetensorsParts } from '../../io/safetensors.js';
import { bytes as sizeText } from '../../text/number-text.js';
import { cached, keptFor, recipe, type Cache, type CacheRequest } from '../cache/cache.js';
import { chunkBatch, valueBatch, valueStorage } from '../computed/stored-values.js';
import { counterColumn, counterNames } from '../counters/counter-columns.js';
import { CounterPlan } from '../counters/counter-plan.js';
import { contentOf, type CounterState } from '../counters/counter-set.js';
import { chooseStart } from '../counters/counter-start.js';
import { RowCounter } from '../counters/row-counter.js';
import { dialectOf, type DialectOptions } from '../dialect.js';
import { writeCacheFolder } from '../encoding/write-rows.js';
import type { DataOptions } from '../options.js';
import { readChunks } from '../pipeline.js';
import { keyOf, type Fingerprint } from '../readers/fingerprint.js';
import type { ShardWriter } from '../shards/writer.js';
import { reportShare, type CellPart } from './cell-part.js';
import { CellParts } from './cell-parts.js';
import type { ComputeColumns, ComputedColumns } from './computed-columns.js';
import { findFiles } from './find-files.js';
import type { Reading } from './source.js';
import { refuseShards, StoredColumns, type StoredPart } from './stored-columns.js';
import { startSet } from './stream-counters.js';

/** File of a cache entry with the counters after its last row. */
const STATE = 'counters.safetensors';
/** Version of the stored values. */
const LAYOUT = 2;
/** Counters that use more memory are reported. */
const MANY_BYTES = 2 ** 30;

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
  readonly #states: readonly CounterState[];
  readonly #parts: CountedPart[] = [];
  readonly #sources = new Map<string, ComputedColumns>();
  readonly #ownCache: Cache = {};
  /** Number of parts that are counted. */
  #done = 0;
  /** Counters after the part before `#done`, if it was counted by this process. */
  #counter: RowCounter | undefined;

  private constructor(plan: CounterPlan, dialect: DialectOptions, states: readonly CounterState[]) {
    this.plan = plan;
    this.#dialect = dialect;
    this.#states = states;
  }

  /**
   * Creates the pass of a config; undefined if it has no counters.
   * @param states of a run that trained on earlier rows; empty for training
   */
  static of(data: DataOptions, states: readonly CounterState[] = []): CounterPass | undefined {
    return data.counters && new CounterPass(new CounterPlan(data.counters, data), dialectOf(data), states);
  }

  /** Adds the files of the next split, unless another split has the same ones; returns their counters. */
  readonly compute: ComputeColumns = async (paths) => {
    const key = JSON.stringify([paths].flat());
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    await refuseShards(paths, 'data.counters');
    const opening = { columns: this.plan.columns, dialect: this.#dialect, keepsAll: false, ownCache: this.#ownCache };
    const { all } = await CellParts.open(findFiles(paths), opening);
    const own = all.map((part, i) => ({ part, isLast: i === all.length - 1, content: '', folder: '' }));
    this.#parts.push(...own);
    const counters = new StoredColumns(counterNames(this.plan.names), own, {
      prepare: (reading) => this.countTo(own.at(-1)!, reading),
      columnsOf: () => Promise.resolve(counterColumn),
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

  /** Returns the state after each split that has rows, in order. */
  async states(reading: Reading): Promise<readonly CounterState[]> {
    const states: CounterState[] = [];
    if (this.#parts.length > 0) await this.countTo(this.#parts.at(-1)!, reading);
    for (const counted of this.#parts) if (counted.isLast) states.push(await readState(counted));
    return states.filter(({ size }) => size > 0);
  }

  async #countPart(counted: CountedPart, reading: Reading): Promise<void> {
    const { part } = counted;
    part.keepStream(reading);
    const before = this.#parts[this.#done - 1]?.content ?? (await this.#contentBefore(reading));
    const request = await this.#request(counted, before, reading);
    const cache = part.cacheOf(reading);
    if ((await keptFor(cache, request)) !== undefined) this.#counter = undefined;
    counted.folder = await cached(cache, request, (path, entry) =>
      this.#writePart(counted, before, { path, entry }, reading),
    );
    counted.content = keyOf(before, await part.fingerprint(reading));
    const bytes = this.#counter?.set?.bytes ?? 0;
    if (counted.isLast && bytes > MANY_BYTES)
      reading.onWarning?.(
        `data.counters use ${sizeText(bytes)} of memory after ${part.path}; shorten within or delay, or set a longer ` +
          'resolution',
      );
    // No row follows.
    if (this.#done === this.#parts.length - 1) this.#counter = undefined;
  }

  /** Returns the request for a part: with the state after it if it is the last one, or if that is cached. */
  async #request({ part, isLast }: CountedPart, before: string, reading: Reading): Promise<CacheRequest> {
    const requestOf = (hasState: boolean): Promise<CacheRequest> =>
      part.request(
        'counters',
        recipe('counters', [LAYOUT, this.plan.recipe, hasState, ...part.recipe], [before]),
        reading,
      );
    const request = await requestOf(true);
    const hasState = isLast || (await keptFor(part.cacheOf(reading), request)) !== undefined;
    return hasState ? request : requestOf(false);
  }

  async #writePart(
    counted: CountedPart,
    before: string,
    { path, entry }: { readonly path: string; readonly entry: (read: Fingerprint) => string },
    reading: Reading,
  ): Promise<void> {
    const { part, isLast } = counted;
    const counter = (this.#counter ??= await this.#counterBefore(reading));
    const target = { path, source: part.path, columns: valueStorage(this.plan.names), entry };
    await writeCacheFolder(target, reading.policy, async (_, writer) => {
      await this.#countRows(part, counter, reading, writer);
      const read = await part.hash(reading);
      const state = counter.set?.save(keyOf(before, read)) ?? new Map();
      if (isLast) writer.addFile(STATE, safetensorsParts(state));
      return { read, leftOut: new Map(), sizes: new Map() };
    });
  }

  /** Counts the rows of a part; writes the values if there is a writer. */
  async #countRows(part: CellPart, counter: RowCounter, reading: Reading, writer?: ShardWriter): Promise<void> {
    const { names } = this.plan;
    let current = 0;
    const onShare = (share: number): void => reportShare(reading, `counting events in ${part.path}`, share);
    for await (const { chunk, file, line } of readChunks(part.rows, onShare)) {
      const values = counter.count(chunk, part.rows[file]!.columns, line);
      const begins = Array.from({ length: file - current }, () => 0);
      current = file;
      await writer?.add(chunkBatch(names, values, chunk), begins);
    }
    const empty = this.plan.specs.map(() => new Float32Array(0));
    await writer?.add(
      valueBatch(names, empty, 0),
      Array.from({ length: part.rows.length - 1 - current }, () => 0),
    );
  }

  /** Returns the counters before part `#done`: from the last state that is stored, and the parts after it. */
  async #counterBefore(reading: Reading): Promise<RowCounter> {
    const from = this.#parts.slice(0, this.#done).findLastIndex(({ folder }) => existsSync(join(folder, STATE)));
    const stored = from < 0 ? undefined : await readState(this.#parts[from]!);
    const counter = new RowCounter(this.plan, (time, path) =>
      startSet(this.plan, stored && stored.size > 0 ? stored : chooseStart(this.plan, this.#states, time, path)),
    );
    for (const { part } of this.#parts.slice(from + 1, this.#done)) await this.#countRows(part, counter, reading);
    return counter;
  }

  /** Returns the key of the rows before the first part: those of a run, or none. */
  async #contentBefore(reading: Reading): Promise<string> {
    const none = keyOf(this.plan.recipe);
    const [first] = this.#parts;
    if (this.#states.length === 0 || first === undefined) return none;
    const probe = new RowCounter(this.plan, (time, path) => {
      throw new FirstRow(time, path);
    });
    // A stream is stored, since the read below ends at the first row.
    if (first.part.stream !== undefined) await first.part.fingerprint(reading);
    try {
      for await (const { chunk, file, line } of readChunks(first.part.rows))
        probe.count(chunk, first.part.rows[file]!.columns, line);
    } catch (error) {
      if (!(error instanceof FirstRow)) throw error;
      const state = chooseStart(this.plan, this.#states, error.time, error.path);
      return state === undefined ? none : contentOf(state);
    }
    return none;
  }
}

/** Thrown to end a read at the first row. */
class FirstRow extends Error {
  constructor(
    readonly time: number,
    readonly path: string,
  ) {
    super(`the first row of ${path}`);
  }
}

/** Reads the counters after a part; empty if no row is before its end. */
function readState({ folder }: CountedPart): Promise<CounterState> {
  const blame = { kind: 'disk', fix: 'remove the cache directory, and run again' } as const;
  return readSafetensors(join(folder, STATE), undefined, { blame });
}
