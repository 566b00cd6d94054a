import { WORD } from '../simd/arena.js';
import type { ListName } from '../simd/compile.js';
import type { Gpu } from './adapter.js';
import type { Dispatch, Recorder } from './dispatches.js';
import { CALL_WORDS, CALLS_AT_ONCE } from './wgsl/prelude.js';

/** A list that is ready to run: its dispatches, and the arguments of their calls on the device. */
export interface ReadyList {
  readonly dispatches: readonly ReadyDispatch[];
  readonly calls: GPUBuffer;
  /** By what dispatches have in common that read and write the same. */
  readonly groups: Map<number, GPUBindGroup>;
}

/** A dispatch whose pipeline knows which of the calls that it sees are its own, since another bind group a dispatch takes the host longer. */
interface ReadyDispatch extends Dispatch {
  readonly pipeline: GPUComputePipeline;
  /** Which calls of the list it sees: `CALLS_AT_ONCE` from a multiple of that on. */
  readonly window: number;
}

/** The lists of a program, each made ready when it first runs. */
export interface ReadyLists {
  of(name: ListName): ReadyList;
  /** What a dispatch of a list reads and writes. */
  groupOf(list: ReadyList, dispatch: ReadyDispatch): GPUBindGroup;
  /** Called where one of the buffers is another. */
  forgetBuffers(): void;
  dispose(): void;
}

const WINDOW_WORDS = CALLS_AT_ONCE * CALL_WORDS;
/** More buffers of tables than any device has memory for. */
const MOST_BUFFERS = 2 ** 20;

/**
 * Makes lists ready.
 * @param buffersOf those of the first bindings, for a buffer of tables
 * @param step what all calls of a step know
 */
export function createReadyLists(gpu: Gpu, recorder: Recorder, buffersOf: (tableBuffer: number) => readonly GPUBuffer[], step: GPUBuffer): ReadyLists {
  const { device, layout, usage } = gpu;
  const ready = new Map<ListName, ReadyList>();
  const make = (name: ListName): ReadyList => {
    const ends: number[] = [];
    const place = (length: number, at?: number): { readonly window: number; readonly first: number } => {
      let window = at === undefined ? ends.length - 1 : ends.findIndex((end) => end <= at);
      if (window < 0 || ends[window]! + length > CALLS_AT_ONCE) window = ends.push(0) - 1;
      const first = at ?? ends[window]!;
      ends[window] = first + length;
      return { window, first };
    };
    const seen = new Map<string, { readonly tableBuffer: number; readonly first: number }>();
    const dispatches = recorder.record(name).map((dispatch) => {
      const { shader, tableBuffer, arguments: { length } } = dispatch;
      // Where tables lie in many buffers, what is done with each has one pipeline: its bind group is another anyway.
      const before = seen.get(shader);
      const isAgain = before !== undefined && before.tableBuffer !== tableBuffer && before.first + length <= CALLS_AT_ONCE;
      const { window, first } = isAgain ? place(length, before.first) : place(length);
      seen.set(shader, { tableBuffer, first });
      return { ...dispatch, window, first, pipeline: gpu.pipeline(shader, first) };
    });
    const words = new Uint32Array(Math.max(1, ends.length) * WINDOW_WORDS);
    for (const { window, first, arguments: parts } of dispatches) parts.forEach((part, i) => words.set(part, window * WINDOW_WORDS + (first + i) * CALL_WORDS));
    const calls = gpu.createBuffer(words.length * WORD, usage.UNIFORM | usage.COPY_DST);
    device.queue.writeBuffer(calls, 0, words);
    return { dispatches, calls, groups: new Map() };
  };
  return {
    of(name) {
      const known = ready.get(name);
      if (known !== undefined) return known;
      const made = make(name);
      ready.set(name, made);
      return made;
    },
    groupOf({ groups, calls }, { tableBuffer, window }) {
      const key = window * MOST_BUFFERS + tableBuffer;
      const known = groups.get(key);
      if (known !== undefined) return known;
      const group = device.createBindGroup({
        layout: layout.group,
        entries: [...buffersOf(tableBuffer).map((buffer, binding) => ({ binding, resource: { buffer } })), { binding: 5, resource: { buffer: calls, offset: window * WINDOW_WORDS * WORD, size: WINDOW_WORDS * WORD } }, { binding: 6, resource: { buffer: step } }],
      });
      groups.set(key, group);
      return group;
    },
    forgetBuffers() {
      for (const { groups } of ready.values()) groups.clear();
    },
    dispose() {
      for (const { calls } of ready.values()) calls.destroy();
    },
  };
}
