import { WORD } from '../compile/arena.js';
import type { ListName } from '../compile/compile.js';
import type { Gpu } from './adapter.js';
import { inWindows } from './argument-windows.js';
import type { Recorder } from './dispatches.js';
import { WINDOW_WORDS } from './wgsl/prelude.js';
import type { Workgroups } from './workgroups.js';

/** A dispatch that is ready to be encoded. */
export interface ReadyDispatch {
  readonly kernels: readonly string[];
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: Workgroups;
  /** The window of its arguments, and the buffer that tables lie in. */
  readonly window: number;
  readonly tableBuffer: number;
}

/** A list that is ready to run: its dispatches, and the arguments of their calls on the device. */
export interface ReadyList {
  readonly dispatches: readonly ReadyDispatch[];
  readonly calls: GPUBuffer;
  /** Of the batch that its windows know. */
  rows: number;
  /** By window and buffer of tables. */
  readonly groups: (GPUBindGroup | undefined)[][];
}

/** The lists of a program, each made ready when it first runs. */
export interface ReadyLists {
  of(name: ListName): ReadyList;
  /** Tells all calls of a list how many rows the batch has. */
  setRows(list: ReadyList, rows: number): void;
  /** What a dispatch of a list reads and writes: the same object for the same. */
  groupOf(list: ReadyList, dispatch: ReadyDispatch): GPUBindGroup;
  /** Called where one of the buffers is another. */
  forgetBuffers(): void;
  dispose(): void;
}

/** The bits of infinity and of NaN. */
const [INFINITY, NAN] = [0x7f800000, 0x7fc00000];

/**
 * Makes lists ready.
 * @param buffersOf those of the first bindings, for a buffer of tables
 */
export function createReadyLists(
  gpu: Gpu,
  recorder: Recorder,
  buffersOf: (tableBuffer: number) => readonly GPUBuffer[],
): ReadyLists {
  const { device, layout, usage } = gpu;
  const ready = new Map<ListName, ReadyList>();
  /** From one window to the next. */
  const windowWords = Math.ceil(WINDOW_WORDS / gpu.uniformWords) * gpu.uniformWords;
  const make = (name: ListName): ReadyList => {
    const recorded = recorder.record(name);
    const { windows, windowOf } = inWindows(recorded);
    const calls = gpu.createBuffer(Math.max(1, windows.length) * windowWords * WORD, usage.UNIFORM | usage.COPY_DST);
    for (const [i, words] of windows.entries()) device.queue.writeBuffer(calls, i * windowWords * WORD, words);
    // One that has nothing to do with tables leaves what is bound as it is.
    let tableBuffer = 0;
    const dispatches = recorded.map(({ kernels, shader, workgroups, ...dispatch }, d): ReadyDispatch => {
      tableBuffer = dispatch.tableBuffer ?? tableBuffer;
      return { kernels, pipeline: gpu.pipeline(shader.code), workgroups, window: windowOf[d]!, tableBuffer };
    });
    return { dispatches, calls, rows: 0, groups: windows.map(() => []) };
  };
  return {
    of(name) {
      const known = ready.get(name);
      if (known !== undefined) return known;
      const made = make(name);
      ready.set(name, made);
      return made;
    },
    setRows(list, rows) {
      if (list.rows === rows) return;
      const words = new Uint32Array([rows, INFINITY, NAN, (Math.ceil(Math.log2(rows)) + 127) << 23]);
      for (const window of list.groups.keys()) device.queue.writeBuffer(list.calls, window * windowWords * WORD, words);
      list.rows = rows;
    },
    groupOf({ groups, calls }, { window, tableBuffer }) {
      const offset = window * windowWords * WORD;
      return (groups[window]![tableBuffer] ??= device.createBindGroup({
        layout: layout.group,
        entries: [
          ...buffersOf(tableBuffer).map((buffer, binding) => ({ binding, resource: { buffer } })),
          { binding: 5, resource: { buffer: calls, offset, size: WINDOW_WORDS * WORD } },
        ],
      }));
    },
    forgetBuffers() {
      for (const { groups } of ready.values()) for (const group of groups) group.length = 0;
    },
    dispose() {
      for (const { calls } of ready.values()) calls.destroy();
    },
  };
}
