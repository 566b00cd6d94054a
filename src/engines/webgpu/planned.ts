import type { Buffer } from '../compile/buffers.js';
import type { Operand } from '../compile/call-list.js';
import type { TablePlace } from '../compile/tables.js';
import { deviceKind, isRef, packCall, type Extra } from './arguments.js';
import type { DeviceCall, Named } from './kernel.js';
import type { DeviceMemory } from './memory.js';
import type { Node } from './phase-order.js';

/** A call with everything that is known before there is a batch. */
export interface Planned extends Node {
  readonly of: Named;
  readonly operands: readonly Operand[];
  /** The table whose rows or index list it reads. */
  readonly table: TablePlace | undefined;
  /** The device buffer with rows of that table, if it reads or writes some. */
  readonly tableBuffer: number | undefined;
  readonly words: Uint32Array<ArrayBuffer>;
}

/**
 * Plans a call: several if its table is stored in several buffers of the device.
 * @param tables by the buffers of their rows and index lists
 */
export function planCall(
  { of, operands, extra = {} }: DeviceCall,
  tables: ReadonlyMap<Buffer, TablePlace>,
  memory: DeviceMemory,
): readonly Planned[] {
  const { name, names, kernel } = of;
  const reads = new Set<Buffer>();
  const writes = new Set<Buffer>();
  let table: TablePlace | undefined;
  for (const [i, operand] of operands.entries()) {
    if (!isRef(operand) || deviceKind(name, names[i]!) === 'unused') continue;
    (kernel.writes?.includes(names[i]!) === true ? writes : reads).add(operand.buffer);
    table ??= tables.get(operand.buffer);
  }
  const shared = {
    of,
    operands,
    table,
    reads,
    writes,
    isByRows: kernel.form === 'rows',
    isDisjoint: kernel.form === 'own' && kernel.isDisjoint === true,
  };
  const pack = (more: Extra, at?: number): Uint32Array<ArrayBuffer> =>
    packCall(name, names, operands, memory, { ...extra, ...more }, at);
  if (!names.some((argument) => deviceKind(name, argument) === 'table'))
    return [{ ...shared, words: pack({}), tableBuffer: undefined }];
  return memory.partsOf(table!).map(({ buffer, at, rowBegin, rowEnd }) => ({
    ...shared,
    words: pack({ rowBegin, rowEnd }, at),
    tableBuffer: buffer,
  }));
}
