import { availableParallelism } from 'node:os';
import { monotonicMs } from '../../system/clock.js';
import { WORD } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { ListName } from '../compile/lists.js';
import { createImage, type Image } from '../state/image.js';
import { planMemory } from '../state/memory-plan.js';
import type { Gpu } from './adapter.js';
import { createDeviceBuffers } from './device-buffers.js';
import { createRecorder } from './dispatches.js';
import { createListEncoder, type ListEncoder } from './encoder.js';
import type { ListWatch } from './lists/index-lists.js';
import { Loader } from './load.js';
import { layOutDevice, listResults, type DeviceMemory } from './memory.js';
import type { DispatchTime } from './pass-times.js';
import { createPosts, type Posts } from './posts.js';
import { createTableTransfers, type TableTransfers } from './table-transfers.js';
import { createTransfers, type Piece, type Range, type Transfers } from './transfers.js';

/** Measurements of one run of a list. */
export interface RunReport {
  readonly list: ListName;
  readonly dispatches: number;
  /** Host time until the commands are submitted, and from then until results are read. */
  readonly hostMs: number;
  readonly waitMs: number;
  /** Bytes to the device, and back. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** Callbacks for measurements and tests. */
export interface GpuWatch extends ListWatch {
  onRun?(report: RunReport): void;
  /**
   * Receives the time of each dispatch of an awaited list. It is read before each run, and requires a device with
   * `TIMES`.
   */
  onDispatches?: ((list: ListName, times: readonly DispatchTime[]) => void) | undefined;
  /** Number of further threads that make index lists. */
  readonly listThreads?: number;
}

/** Runs the lists of a program on a device; the host has an image of its memory. */
export interface Executor extends Pick<Transfers, 'read' | 'write'>, Pick<TableTransfers, 'readRows' | 'writeRows'> {
  readonly image: Image;
  readonly loader: Loader;
  readonly memory: DeviceMemory;
  /** Runs a list over the rows that were loaded, and reads a step's results, and some ranges, into the image. */
  run(list: ListName, rows: number, more?: readonly Range[]): Promise<void>;
  /** Submits a list over the rows that were loaded, whose results stay on the device for `readPosts`. */
  post(list: ListName, rows: number, post: number): void;
  /**
   * Reads the results of the first posts of a group into the image, one after the other.
   * @param visit called when the image and `isRefused` belong to the i-th post
   */
  readPosts(group: number, count: number, visit: (i: number) => void): Promise<void>;
  /** Whether a step was refused since this was last cleared. */
  readonly isRefused: boolean;
  clearRefused(): void;
  /** Keeps a copy of running statistics on the device; restores that copy, or the one before a post. */
  keepRunning(): void;
  restoreRunning(post?: number): void;
  dispose(): void;
}

/** Maximum number of further threads: more of them would wait for each other. */
const LIST_THREADS = Math.min(3, availableParallelism() - 1);
/** First address of the image: 0 stands for none. */
const IMAGE_BEGIN = 64;

function createImageOf({ buffers, maxRowsOf }: Compiled): Image {
  const plan = planMemory(buffers.all, IMAGE_BEGIN, maxRowsOf);
  return createImage(new ArrayBuffer(Math.ceil(plan.bytes / 8) * 8), plan);
}

/** Parts of an executor. */
interface Parts {
  readonly gpu: Gpu;
  readonly watch: GpuWatch;
  readonly loader: Loader;
  readonly lists: ListEncoder;
  readonly transfers: Transfers;
  readonly posts: Posts;
}

/** Runs a list, with some pieces to read after it. */
async function runList(
  { gpu, watch, loader, lists, transfers }: Parts,
  name: ListName,
  rows: number,
  pieces: readonly Piece[],
): Promise<void> {
  const beginMs = monotonicMs();
  const encoder = gpu.device.createCommandEncoder();
  const times = watch.onDispatches === undefined ? undefined : lists.createTimes(name);
  const dispatches = lists.encode(encoder, name, rows, times);
  const submitMs = monotonicMs();
  await transfers.take(encoder, pieces);
  watch.onRun?.({
    list: name,
    dispatches,
    hostMs: submitMs - beginMs,
    waitMs: monotonicMs() - submitMs,
    bytesUp: bytesUp(loader),
    bytesDown: pieces.reduce((sum, { words }) => sum + words * WORD, 0),
  });
  if (times === undefined) return;
  watch.onDispatches?.(name, await times.read());
  times.dispose();
}

function postList({ gpu, watch, loader, lists, posts }: Parts, name: ListName, rows: number, post: number): void {
  const beginMs = monotonicMs();
  const encoder = gpu.device.createCommandEncoder();
  posts.keepRunning(encoder, post);
  const dispatches = lists.encode(encoder, name, rows);
  posts.keepResults(encoder, post);
  gpu.submit(encoder);
  const hostMs = monotonicMs() - beginMs;
  watch.onRun?.({ list: name, dispatches, hostMs, waitMs: 0, bytesUp: bytesUp(loader), bytesDown: posts.bytes });
}

/** Kernels write a float to the first word of each double that the host reads. */
function widen({ floats, doubles, wordAt }: Image, { at, words }: Range): void {
  const first = wordAt(at);
  for (let i = first; i < first + words; i += 2) doubles[i / 2] = floats[i]!;
}

const bytesUp = ({ upload, firstWord, items }: Loader): number => (upload.length - firstWord + items.length) * WORD;

/** Creates an executor for a program. */
export function createExecutor(gpu: Gpu, compiled: Compiled, watch: GpuWatch = {}): Executor {
  const memory = layOutDevice(compiled, Math.floor(gpu.maxBufferBytes / WORD));
  compiled.buffers.seal();
  const recorder = createRecorder(compiled, memory, gpu.maxGroups);
  const loader = new Loader(compiled, memory, recorder.scratchWords, watch.listThreads ?? LIST_THREADS, watch);
  const image = createImageOf(compiled);
  const buffers = createDeviceBuffers(gpu, memory);
  const transfers = createTransfers(gpu, memory, buffers, image);
  const tables = createTableTransfers(gpu, memory, buffers, image, transfers);
  const posts = createPosts(gpu, compiled, memory, buffers);
  const lists = createListEncoder(gpu, recorder, loader, buffers);
  const parts = { gpu, watch, loader, lists, transfers, posts };
  const results = listResults(compiled);
  const { at: tensorsAt, count } = compiled.productsOfTensors;
  const tensorProducts = tensorsAt === undefined ? [] : [{ at: tensorsAt, words: 2 * count }];
  let isRefused = false;
  const flag: Piece = { from: buffers.flags, at: 0, words: 4, into: ([word]) => (isRefused = word !== 0) };
  const submit = (encode: (encoder: GPUCommandEncoder) => void): void => {
    const encoder = gpu.device.createCommandEncoder();
    encode(encoder);
    gpu.device.queue.submit([encoder.finish()]);
  };
  return {
    ...transfers,
    ...tables,
    image,
    loader,
    memory,
    get isRefused() {
      return isRefused;
    },
    clearRefused() {
      // The flag is 0 unless it is known to be set.
      if (isRefused) gpu.device.queue.writeBuffer(buffers.flags, 0, new Uint32Array(4));
      isRefused = false;
    },
    async run(name, rows, more = []) {
      const doubles = name === 'tensorProducts' ? [...results, ...tensorProducts] : results;
      await runList(parts, name, rows, [...[...doubles, ...more].map(transfers.pieceOf), flag]);
      for (const range of doubles) widen(image, range);
    },
    post: (name, rows, post) => postList(parts, name, rows, post),
    readPosts: (group, count, visit) =>
      posts.read(group, count, (found, isStepRefused, i) => {
        for (const range of results) {
          const from = memory.wordAt(range.at) - memory.download.at;
          image.words.set(found.subarray(from, from + range.words), image.wordAt(range.at));
          widen(image, range);
        }
        isRefused = isStepRefused;
        visit(i);
      }),
    keepRunning: () => submit((encoder) => posts.keepRunning(encoder)),
    restoreRunning: (post) => submit((encoder) => posts.restoreRunning(encoder, post)),
    dispose() {
      for (const part of [buffers, transfers, tables, posts, lists]) part.dispose();
    },
  };
}
