import type { Gpu } from './adapter.js';
import { enlarge, type DeviceBuffers } from './device-buffers.js';
import type { TablePart } from './memory.js';
import { THREADS } from './wgsl/prelude.js';
import { ROW_COPIES } from './wgsl/row-copies.js';

/** Copies rows by number within a device: from a part of a table to consecutive rows, or back. */
export class RowCopies {
  readonly #gpu: Gpu;
  readonly #buffers: DeviceBuffers;
  readonly #call: GPUBuffer;
  /** Numbers of rows in the part. */
  #rows: GPUBuffer;
  #values: GPUBuffer;

  constructor(gpu: Gpu, buffers: DeviceBuffers) {
    this.#gpu = gpu;
    this.#buffers = buffers;
    this.#call = buffers.create(4, gpu.usage.UNIFORM | gpu.usage.COPY_DST);
    this.#rows = this.#createRows(1);
    this.#values = this.#createValues(1);
  }

  /** Encodes a copy to consecutive rows; returns their buffer. The last copy was submitted. */
  gather(encoder: GPUCommandEncoder, part: TablePart, rows: Uint32Array): GPUBuffer {
    this.#encode(encoder, part, rows, 'gather');
    return this.#values;
  }

  /** Encodes a copy from consecutive rows, which are written first. The last copy was submitted. */
  scatter(encoder: GPUCommandEncoder, part: TablePart, rows: Uint32Array, values: Uint32Array<ArrayBuffer>): void {
    this.#encode(encoder, part, rows, 'scatter');
    this.#gpu.device.queue.writeBuffer(this.#values, 0, values);
  }

  dispose(): void {
    for (const buffer of [this.#call, this.#rows, this.#values]) buffer.destroy();
  }

  #encode(encoder: GPUCommandEncoder, part: TablePart, rows: Uint32Array, copy: keyof typeof ROW_COPIES): void {
    const { device, layout, maxGroups } = this.#gpu;
    const { memory, tables, flags } = this.#buffers;
    const { stride } = part.table;
    const words = rows.length * stride;
    this.#rows = enlarge(this.#rows, rows.length, (size) => this.#createRows(size));
    this.#values = enlarge(this.#values, words, (size) => this.#createValues(size));
    device.queue.writeBuffer(this.#call, 0, Uint32Array.of(part.at, stride, words));
    device.queue.writeBuffer(
      this.#rows,
      0,
      Uint32Array.from(rows, (row) => row - part.rowBegin),
    );
    const bound = [memory, tables[part.buffer]!, this.#rows, this.#values, flags, this.#call];
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#gpu.pipeline(ROW_COPIES[copy]));
    pass.setBindGroup(
      0,
      device.createBindGroup({
        layout: layout.group,
        entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
    );
    pass.dispatchWorkgroups(Math.min(maxGroups, Math.ceil(words / THREADS)));
    pass.end();
  }

  #createRows(words: number): GPUBuffer {
    return this.#buffers.create(words, this.#gpu.usage.STORAGE | this.#gpu.usage.COPY_DST);
  }

  #createValues(words: number): GPUBuffer {
    const { STORAGE, COPY_SRC, COPY_DST } = this.#gpu.usage;
    return this.#buffers.create(words, STORAGE | COPY_SRC | COPY_DST);
  }
}
