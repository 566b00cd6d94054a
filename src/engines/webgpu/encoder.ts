import { WORD } from '../compile/buffers.js';
import type { ListName } from '../compile/lists.js';
import type { TablePlace } from '../compile/tables.js';
import type { Gpu } from './adapter.js';
import { inWindows } from './argument-windows.js';
import type { DeviceBuffers } from './device-buffers.js';
import type { DomainRows } from './domain-rows.js';
import type { Recorder } from './dispatches.js';
import type { Loader } from './load.js';
import { createPassTimes, type PassTimes } from './pass-times.js';
import { WINDOW_WORDS } from './wgsl/prelude.js';
import type { ListSize, Workgroups } from './workgroups.js';

/** Encodes lists over the rows that were loaded; each list is prepared when it first runs. */
export interface ListEncoder {
  /**
   * Writes what was loaded, and encodes a list in one pass, or in one per dispatch if times are wanted; returns the
   * number of dispatches.
   */
  encode(encoder: GPUCommandEncoder, name: ListName, batchRows: number, times?: PassTimes): number;
  /** Creates the times of a list's dispatches. */
  createTimes(name: ListName): PassTimes;
  dispose(): void;
}

/** A dispatch that is ready to be encoded. */
interface ReadyDispatch {
  readonly kernels: readonly string[];
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: Workgroups;
  /** The window of its arguments, and its device buffer of tables. */
  readonly window: number;
  readonly tableBuffer: number;
}

/** The dispatches of a list, and the arguments of their calls on the device. */
interface ReadyList {
  readonly dispatches: readonly ReadyDispatch[];
  readonly calls: GPUBuffer;
  /** Rows of the pass in its windows. */
  rows: DomainRows | undefined;
  /** By window and device buffer of tables. */
  readonly groups: (GPUBindGroup | undefined)[][];
}

/** The bits of infinity and of NaN. */
const [INFINITY, NAN] = [0x7f800000, 0x7fc00000];

/** Bytes from window to window. */
const windowBytes = ({ uniformWords }: Gpu): number => Math.ceil(WINDOW_WORDS / uniformWords) * uniformWords * WORD;

function prepareList(gpu: Gpu, recorder: Recorder, name: ListName): ReadyList {
  const recorded = recorder.record(name);
  const { windows, windowOf } = inWindows(recorded);
  const { UNIFORM, COPY_DST } = gpu.usage;
  const calls = gpu.createBuffer(Math.max(1, windows.length) * windowBytes(gpu), UNIFORM | COPY_DST);
  for (const [i, words] of windows.entries()) gpu.device.queue.writeBuffer(calls, i * windowBytes(gpu), words);
  // A dispatch without tables leaves the bound buffer as it is.
  let tableBuffer = 0;
  const dispatches = recorded.map(({ kernels, shader, workgroups, ...dispatch }, d): ReadyDispatch => {
    tableBuffer = dispatch.tableBuffer ?? tableBuffer;
    return { kernels, pipeline: gpu.pipeline(shader.code), workgroups, window: windowOf[d]!, tableBuffer };
  });
  return { dispatches, calls, rows: undefined, groups: windows.map(() => []) };
}

/** Writes the rows of a pass to all windows of a list. */
function setRows(gpu: Gpu, list: ReadyList, rows: DomainRows): void {
  if (list.rows === rows) return;
  const { batch, items } = rows;
  const scale = (Math.ceil(Math.log2(batch)) + 127) << 23;
  const words = new Uint32Array([batch, INFINITY, NAN, scale, ...items.values()]);
  for (const window of list.groups.keys()) gpu.device.queue.writeBuffer(list.calls, window * windowBytes(gpu), words);
  list.rows = rows;
}

/** Returns the buffers of a dispatch: the same object for the same buffers. */
function groupOf(
  gpu: Gpu,
  { groups, calls }: ReadyList,
  { window, tableBuffer }: ReadyDispatch,
  buffers: DeviceBuffers,
): GPUBindGroup {
  return (groups[window]![tableBuffer] ??= gpu.device.createBindGroup({
    layout: gpu.layout.group,
    entries: [
      ...buffers.bindings(tableBuffer).map((buffer, binding) => ({ binding, resource: { buffer } })),
      { binding: 5, resource: { buffer: calls, offset: window * windowBytes(gpu), size: WINDOW_WORDS * WORD } },
    ],
  }));
}

/** Creates an encoder of a program's lists. */
export function createListEncoder(gpu: Gpu, recorder: Recorder, loader: Loader, buffers: DeviceBuffers): ListEncoder {
  const { queue } = gpu.device;
  const ready = new Map<ListName, ReadyList>();
  const listOf = (name: ListName): ReadyList => {
    const list = ready.get(name) ?? prepareList(gpu, recorder, name);
    ready.set(name, list);
    return list;
  };
  const sizeOf = (table: TablePlace): ListSize => loader.lists.sizeOf(table);
  let lastRows: DomainRows = { batch: 0, items: loader.itemCounts };
  const rowsOf = (batch: number): DomainRows => {
    const { itemCounts: items } = loader;
    if (lastRows.batch !== batch || lastRows.items !== items) lastRows = { batch, items };
    return lastRows;
  };
  const upload = (): void => {
    const { items, firstWord, lists } = loader;
    const isReplaced = buffers.reserve(items.length, Math.max(recorder.scratchWords, lists.scratchWords));
    if (isReplaced) for (const { groups } of ready.values()) for (const group of groups) group.length = 0;
    queue.writeBuffer(buffers.memory, firstWord * WORD, loader.upload, firstWord);
    if (items.length > 0) queue.writeBuffer(buffers.items, 0, items.words, 0, items.length);
  };
  return {
    encode(encoder, name, batchRows, times) {
      const list = listOf(name);
      const rows = rowsOf(batchRows);
      upload();
      setRows(gpu, list, rows);
      let dispatches = 0;
      let pass = times === undefined ? encoder.beginComputePass() : undefined;
      let pipeline: GPUComputePipeline | undefined;
      let group: GPUBindGroup | undefined;
      for (const dispatch of list.dispatches) {
        const size = dispatch.workgroups(rows, sizeOf);
        if (size[0] === 0) continue;
        if (times !== undefined) {
          pass?.end();
          pass = encoder.beginComputePass(times.next(dispatch.kernels));
          pipeline = group = undefined;
        }
        if (dispatch.pipeline !== pipeline) pass!.setPipeline((pipeline = dispatch.pipeline));
        const next = groupOf(gpu, list, dispatch, buffers);
        if (next !== group) pass!.setBindGroup(0, (group = next));
        // The binding takes about 0.1 µs for each number that is passed.
        if (size[1] === 1 && size[2] === 1) pass!.dispatchWorkgroups(size[0]);
        else pass!.dispatchWorkgroups(size[0], size[1], size[2]);
        dispatches++;
      }
      pass?.end();
      times?.finish(encoder);
      return dispatches;
    },
    createTimes: (name) => createPassTimes(gpu, listOf(name).dispatches.length),
    dispose() {
      for (const { calls } of ready.values()) calls.destroy();
    },
  };
}
