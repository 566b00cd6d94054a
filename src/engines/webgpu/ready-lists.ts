import { WORD } from '../simd/arena.js';
import type { ListName } from '../simd/compile.js';
import type { Gpu } from './adapter.js';
import type { Dispatch, Recorder } from './dispatches.js';
import { CALL_WORDS, MAX_CALLS } from './wgsl/prelude.js';

/** A list that is ready to run: its dispatches, and the arguments of their calls on the device. */
export interface ReadyList {
  readonly dispatches: readonly (Dispatch & { readonly pipeline: GPUComputePipeline; readonly argumentsAt: number })[];
  readonly calls: GPUBuffer;
  /** By the buffer that tables lie in. */
  readonly groups: Map<number, GPUBindGroup>;
}

/** The lists of a program, each made ready when it first runs. */
export interface ReadyLists {
  of(name: ListName): ReadyList;
  /** What a dispatch of a list reads and writes. */
  groupOf(list: ReadyList, tableBuffer: number): GPUBindGroup;
  /** Called where one of the buffers is another. */
  forgetBuffers(): void;
  dispose(): void;
}

const CALLS_BYTES = (MAX_CALLS + 1) * CALL_WORDS * WORD;

/**
 * Makes lists ready.
 * @param buffersOf those of the first bindings, for a buffer of tables
 * @param step what all calls of a step know
 */
export function createReadyLists(gpu: Gpu, recorder: Recorder, buffersOf: (tableBuffer: number) => readonly GPUBuffer[], step: GPUBuffer): ReadyLists {
  const { device, layout, usage } = gpu;
  const ready = new Map<ListName, ReadyList>();
  const make = (name: ListName): ReadyList => {
    const parts: Uint32Array[] = [];
    let end = 0;
    const dispatches = recorder.record(name).map((dispatch) => {
      const argumentsAt = end;
      parts.push(...dispatch.arguments);
      const padding = (gpu.uniformWords - ((dispatch.arguments.length * CALL_WORDS) % gpu.uniformWords)) % gpu.uniformWords;
      parts.push(new Uint32Array(padding));
      end += dispatch.arguments.length * CALL_WORDS + padding;
      return { ...dispatch, argumentsAt: argumentsAt * WORD, pipeline: gpu.pipeline(dispatch.shader) };
    });
    const words = new Uint32Array(end + CALLS_BYTES / WORD);
    let at = 0;
    for (const part of parts) {
      words.set(part, at);
      at += part.length;
    }
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
    groupOf({ groups, calls }, tableBuffer) {
      const known = groups.get(tableBuffer);
      if (known !== undefined) return known;
      const group = device.createBindGroup({
        layout: layout.group,
        entries: [...buffersOf(tableBuffer).map((buffer, binding) => ({ binding, resource: { buffer } })), { binding: 5, resource: { buffer: calls, size: CALLS_BYTES } }, { binding: 6, resource: { buffer: step } }],
      });
      groups.set(tableBuffer, group);
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
