import { availableParallelism } from 'node:os';
import { WORD } from '../compile/arena.js';
import { monotonicMs } from '../../system/clock.js';
import type { Compiled, ListName } from '../compile/compile.js';
import type { Gpu } from './adapter.js';
import { createRecorder } from './dispatches.js';
import type { ListWatch } from './lists/index-lists.js';
import { createLoader, type Loader } from './load.js';
import { layOutDevice } from './memory.js';
import { createPassTimes, type DispatchTime, type PassTimes } from './pass-times.js';
import { createReadyLists } from './ready-lists.js';

/** Some words of a program's memory, by their address in the memory of the kernels' own engine. */
export interface Range {
  readonly at: number;
  readonly words: number;
}

/** What a run of a list took, for measurements. */
export interface RunReport {
  readonly list: ListName;
  readonly dispatches: number;
  /** Of the host, until all was handed over; and until the device was done and its words were read. */
  readonly hostMs: number;
  readonly waitMs: number;
  /** To the device, and back. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** For measuring, and for tests. */
export interface GpuWatch extends ListWatch {
  onRun?(report: RunReport): void;
  /**
   * Told what each dispatch took of a list that is waited for. It is looked at before each run; the device has to have
   * `TIMES`.
   */
  onDispatches?: ((list: ListName, times: readonly DispatchTime[]) => void) | undefined;
  /** Threads that make index lists beside this one. */
  readonly listThreads?: number;
}

/**
 * Runs lists of calls on a device. What lies there has a mirror here, in which it is where the kernels' own engine has
 * it.
 */
export interface Executor {
  readonly mirror: { readonly buffer: ArrayBuffer };
  readonly loader: Loader;
  /** Where a step writes what the host gives it: words of `loader.upload`. */
  wordAt(address: number): number;
  /**
   * Runs a list over the rows that were loaded, and reads what a step gives back, and some ranges more, into the
   * mirror.
   */
  run(list: ListName, rows: number, more?: readonly Range[]): Promise<void>;
  /**
   * Hands a list over the rows that were loaded over, and keeps on the device what it gives back, for `readPosts`.
   * @param post from 0 to 2 · `POSTS` - 1, where what it gives back goes
   */
  post(list: ListName, rows: number, post: number): void;
  /**
   * Reads what the first posts of one of two groups gave back into the mirror, one after the other.
   * @param visit called when the mirror holds what the i-th gave back, and `isRefused` is of it
   */
  readPosts(group: number, count: number, visit: (i: number) => void): Promise<void>;
  /** Whether a step was refused since this was last cleared. */
  readonly isRefused: boolean;
  clearRefused(): void;
  /** Keeps running statistics on the device, or brings back those that were kept: by this, or by a post. */
  keep(): void;
  bringBack(post?: number): void;
  /** Between the mirror and the device: ranges, and the rows of all tables. */
  read(ranges: readonly Range[]): Promise<void>;
  readTables(): Promise<void>;
  write(ranges: readonly Range[]): void;
  writeTables(): void;
  dispose(): void;
}

/** Posts of a group, which are read together. */
export const POSTS = 16;

/** More of them would wait for each other. */
const LIST_THREADS = Math.min(3, availableParallelism() - 1);
/** Bytes that go over at a time. */
const PIECE_BYTES = 1 << 26;

/** An executor for a compiled plan. */
export function createExecutor(gpu: Gpu, compiled: Compiled, watch: GpuWatch = {}): Executor {
  const { onRun, listThreads = LIST_THREADS } = watch;
  const { device } = gpu;
  const { arena, norms, terms, products, productsOfTensors, running } = compiled;
  const memory = layOutDevice(compiled, Math.floor(gpu.maxBufferBytes / WORD));
  const recorder = createRecorder(compiled, memory, gpu.mostGroups);
  const loader = createLoader(compiled, memory, () => recorder.scratchWords, listThreads, watch);
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = gpu.usage;
  const create = (words: number, usage: number): GPUBuffer => gpu.createBuffer(Math.max(words, 4) * WORD, usage);
  const m = create(memory.words, STORAGE | COPY_SRC | COPY_DST);
  const t = memory.tableBuffers.map((words) => create(words, STORAGE | COPY_SRC | COPY_DST));
  const flags = create(4, STORAGE | COPY_SRC | COPY_DST);
  let items = create(1, STORAGE | COPY_DST);
  let scratch = create(1, STORAGE);
  /** Of running statistics: one a post, and one more. */
  const kept = create(running.length * (2 * POSTS + 1), COPY_SRC | COPY_DST);
  const postWords = memory.download.words + 4;
  const postStaging = [0, 1].map(() => create(POSTS * postWords, MAP_READ | COPY_DST));
  // Dawn's device that computes nothing (backend=null) copies nothing either: no step is refused there.
  for (const buffer of postStaging) device.queue.writeBuffer(buffer, 0, new Uint32Array(POSTS * postWords));
  let staging = create(memory.download.words + 4, MAP_READ | COPY_DST);
  const mirror = { buffer: new ArrayBuffer(Math.ceil(arena.bytes / 8) * 8) };
  const floats = new Float32Array(mirror.buffer);
  const doubles = new Float64Array(mirror.buffer);
  let isRefused = false;

  const larger = (buffer: GPUBuffer, words: number, usage: number): GPUBuffer => {
    if (buffer.size >= words * WORD) return buffer;
    buffer.destroy();
    lists.forgetBuffers();
    return create(Math.ceil(words * 1.5), usage);
  };

  const lists = createReadyLists(gpu, recorder, (tableBuffer) => [m, t[tableBuffer]!, items, scratch, flags]);

  /**
   * Writes what was loaded, and encodes a list over it, in one pass, or in one a dispatch where times are wanted; gives
   * the number of dispatches.
   */
  const encode = (encoder: GPUCommandEncoder, name: ListName, rows: number, times?: PassTimes): number => {
    const list = lists.of(name);
    let dispatches = 0;
    items = larger(items, loader.items.length, STORAGE | COPY_DST);
    scratch = larger(scratch, Math.max(recorder.scratchWords, loader.lists.scratchWords), STORAGE);
    device.queue.writeBuffer(m, loader.firstWord * WORD, loader.upload, loader.firstWord);
    if (loader.items.length > 0) device.queue.writeBuffer(items, 0, loader.items.words, 0, loader.items.length);
    lists.setRows(list, rows);
    let pass = times === undefined ? encoder.beginComputePass() : undefined;
    let pipeline: GPUComputePipeline | undefined;
    let group: GPUBindGroup | undefined;
    for (const dispatch of list.dispatches) {
      const size = dispatch.workgroups(rows, loader.lists.sizeOf);
      if (size[0] === 0) continue;
      if (times !== undefined) {
        pass?.end();
        pass = encoder.beginComputePass(times.next(dispatch.kernels));
        pipeline = group = undefined;
      }
      if (dispatch.pipeline !== pipeline) pass!.setPipeline((pipeline = dispatch.pipeline));
      const next = lists.groupOf(list, dispatch);
      if (next !== group) pass!.setBindGroup(0, (group = next));
      // The binding takes a tenth of a microsecond for each number that it is given.
      if (size[1] === 1 && size[2] === 1) pass!.dispatchWorkgroups(size[0]);
      else pass!.dispatchWorkgroups(size[0], size[1], size[2]);
      dispatches++;
    }
    pass?.end();
    times?.finish(encoder);
    return dispatches;
  };
  const bytesUp = (): number => (loader.upload.length - loader.firstWord + loader.items.length) * WORD;
  const keepIn = (encoder: GPUCommandEncoder, post: number): void => {
    if (running.length > 0)
      encoder.copyBufferToBuffer(
        m,
        memory.wordAt(running.at) * WORD,
        kept,
        post * running.length * WORD,
        running.length * WORD,
      );
  };

  /** Copies words of buffers into the staging buffer, and hands each piece over. */
  const take = async (
    encoder: GPUCommandEncoder,
    pieces: readonly {
      readonly from: GPUBuffer;
      readonly at: number;
      readonly words: number;
      into(words: Uint32Array): void;
    }[],
  ): Promise<void> => {
    const total = pieces.reduce((sum, { words }) => sum + words, 0);
    staging = larger(staging, total, MAP_READ | COPY_DST);
    let end = 0;
    for (const { from, at, words } of pieces) {
      encoder.copyBufferToBuffer(from, at * WORD, staging, end * WORD, words * WORD);
      end += words;
    }
    gpu.submit(encoder);
    await gpu.read(staging, total * WORD, (all) => {
      let begin = 0;
      for (const { words, into } of pieces) {
        into(all.subarray(begin, begin + words));
        begin += words;
      }
    });
  };
  const words = new Uint32Array(mirror.buffer);
  const pieceOf = ({ at, words: count }: Range) => ({
    from: m,
    at: memory.wordAt(at),
    words: count,
    into: (found: Uint32Array) => words.set(found, at / WORD),
  });

  /** All tables in pieces that go over at once: where each lies in its buffer and in the mirror, in words. */
  function* tablePieces(): Generator<{
    readonly buffer: number;
    readonly at: number;
    readonly count: number;
    readonly own: number;
  }> {
    for (const { table, buffer, at, rowBegin, rowEnd } of memory.tableParts) {
      const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / WORD / table.stride));
      for (let row = rowBegin; row < rowEnd; row += rowsAtOnce) {
        yield {
          buffer,
          at: at + (row - rowBegin) * table.stride,
          count: Math.min(rowsAtOnce, rowEnd - row) * table.stride,
          own: table.at / WORD + row * table.stride,
        };
      }
    }
  }

  /** What kernels leave as floats, as the doubles that the kernels' own engine has. */
  const widen = (at: number, count: number): void => {
    for (let i = 0; i < count; i++) doubles[at / 8 + i] = floats[at / WORD + 2 * i]!;
  };
  const pairs = (areas: number): number => (areas * (areas + 1)) / 2;
  const stepRanges: readonly Range[] = [
    ...[...terms.values()].map(({ loss }) => ({ at: loss, words: 4 })),
    { at: norms, words: 4 },
    ...(products.count > 0 ? [{ at: products.at, words: 2 * products.count * pairs(compiled.areas) }] : []),
  ];
  const doublesOf = (list: ListName): readonly Range[] =>
    list === 'tensorProducts' ? [{ at: productsOfTensors.at, words: 2 * productsOfTensors.count }] : [];

  return {
    mirror,
    loader,
    wordAt: (address) => memory.wordAt(address),
    get isRefused() {
      return isRefused;
    },
    clearRefused() {
      // What is not known to be set is not.
      if (isRefused) device.queue.writeBuffer(flags, 0, new Uint32Array(4));
      isRefused = false;
    },

    async run(name, rows, more = []) {
      const begin = onRun === undefined ? 0 : monotonicMs();
      const encoder = device.createCommandEncoder();
      const times =
        watch.onDispatches === undefined ? undefined : createPassTimes(gpu, lists.of(name).dispatches.length);
      const dispatches = encode(encoder, name, rows, times);
      const ranges = doublesOf(name);
      const handedOver = onRun === undefined ? 0 : monotonicMs();
      const pieces = [...stepRanges, ...ranges, ...more]
        .map(pieceOf)
        .concat([{ from: flags, at: 0, words: 4, into: ([flag]) => (isRefused = flag !== 0) }]);
      await take(encoder, pieces);
      onRun?.({
        list: name,
        dispatches,
        hostMs: handedOver - begin,
        waitMs: monotonicMs() - handedOver,
        bytesUp: bytesUp(),
        bytesDown: pieces.reduce((sum, piece) => sum + piece.words * WORD, 0),
      });
      for (const range of [...stepRanges, ...ranges]) widen(range.at, range.words / 2);
      if (times === undefined) return;
      watch.onDispatches?.(name, await times.read());
      times.dispose();
    },

    post(name, rows, post) {
      const begin = onRun === undefined ? 0 : monotonicMs();
      const encoder = device.createCommandEncoder();
      keepIn(encoder, post);
      const dispatches = encode(encoder, name, rows);
      const [into, at] = [postStaging[Math.floor(post / POSTS)]!, (post % POSTS) * postWords];
      encoder.copyBufferToBuffer(m, memory.download.at * WORD, into, at * WORD, memory.download.words * WORD);
      encoder.copyBufferToBuffer(flags, 0, into, (at + memory.download.words) * WORD, 4 * WORD);
      gpu.submit(encoder);
      onRun?.({
        list: name,
        dispatches,
        hostMs: monotonicMs() - begin,
        waitMs: 0,
        bytesUp: bytesUp(),
        bytesDown: postWords * WORD,
      });
    },
    readPosts: (group, count, visit) =>
      gpu.read(postStaging[group]!, count * postWords * WORD, (all) => {
        for (let i = 0; i < count; i++) {
          for (const { at, words: length } of stepRanges) {
            const from = i * postWords + memory.wordAt(at) - memory.download.at;
            words.set(all.subarray(from, from + length), at / WORD);
            widen(at, length / 2);
          }
          isRefused = all[i * postWords + memory.download.words] !== 0;
          visit(i);
        }
      }),

    keep() {
      const encoder = device.createCommandEncoder();
      keepIn(encoder, 2 * POSTS);
      device.queue.submit([encoder.finish()]);
    },
    bringBack(post = 2 * POSTS) {
      if (running.length === 0) return;
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(
        kept,
        post * running.length * WORD,
        m,
        memory.wordAt(running.at) * WORD,
        running.length * WORD,
      );
      device.queue.submit([encoder.finish()]);
    },

    read: (ranges) => take(device.createCommandEncoder(), ranges.map(pieceOf)),
    async readTables() {
      for (const { buffer, at, count, own } of tablePieces()) {
        await take(device.createCommandEncoder(), [
          { from: t[buffer]!, at, words: count, into: (found) => words.set(found, own) },
        ]);
      }
    },
    write(ranges) {
      for (const { at, words: count } of ranges)
        device.queue.writeBuffer(m, memory.wordAt(at) * WORD, words, at / WORD, count);
    },
    writeTables() {
      for (const { buffer, at, count, own } of tablePieces())
        device.queue.writeBuffer(t[buffer]!, at * WORD, words, own, count);
    },
    dispose() {
      for (const buffer of [m, ...t, flags, items, scratch, staging, kept, ...postStaging]) buffer.destroy();
      lists.dispose();
    },
  };
}
