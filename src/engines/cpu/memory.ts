import { WORD, type Buffer, type Ref } from '../compile/buffers.js';
import type { Call } from '../compile/call-list.js';
import type { Layout } from '../compile/layout.js';
import { tableTensor } from '../engine.js';
import { createExternalTables, isExternal, type ExternalTable } from '../state/external-tables.js';
import { createImage, type Image } from '../state/image.js';
import { fillBuffers } from '../state/results.js';
import { planMemory, type MemoryPlan } from '../state/memory-plan.js';
import { RowMover } from '../../tables/moved-rows.js';
import { COMMAND_WORDS } from './command.js';
import { BEGIN } from './begin.js';
import { takeLists } from './lists.js';
import { createMemory } from './module.js';

/**
 * Maximum bytes of tables in the shared WebAssembly memory; larger tables are stored in their own memory. The other
 * half of the 4 GiB is for all other buffers and for bags.
 */
export const TABLE_BYTES = 2 ** 31;

/** The memory of a program, shared by its threads, and the memory of large tables. */
export interface CpuMemory {
  readonly memory: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  readonly external: readonly ExternalTable[];
  readonly image: Image;
  /** Where lists of calls are placed. */
  readonly lists: Ref;
  readonly mover: RowMover;
}

/** Plans the memory of a program's buffers; the barrier and commands are first. */
export function planCpuMemory(
  { buffers, maxRowsOf }: Layout,
  tableBytes: number = TABLE_BYTES,
  inPlace?: ReadonlySet<Buffer>,
): MemoryPlan {
  return planMemory(buffers.all, BEGIN + COMMAND_WORDS * WORD, maxRowsOf, tableBytes, inPlace);
}

/** Tables outside the memory of a program. */
export interface TableMemory {
  /** Maximum bytes of tables in the shared memory; default: TABLE_BYTES. */
  readonly tableBytes?: number | undefined;
  /**
   * Whether kernels read tables in any shared memory as fast as in the memory of the program; otherwise, tables without
   * spare rows are copied.
   */
  readonly readsInPlace?: boolean;
}

/**
 * Allocates the memory of a program, whose buffers are complete from then on, and writes initial values.
 * @throws UserError (data) if a table cannot be allocated
 */
export function allocate(
  layout: Layout,
  lists: Readonly<Record<string, readonly Call[]>>,
  { tableBytes, readsInPlace = false }: TableMemory = {},
): CpuMemory {
  const listsAt = takeLists(layout, lists);
  layout.buffers.seal();
  const inPlace = new Map(listSharedTables(layout, readsInPlace));
  const plan = planCpuMemory(layout, tableBytes, new Set(inPlace.keys()));
  const memory = createMemory(plan.bytes);
  const external = createExternalTables(layout.tables.all, plan, inPlace);
  const image = createImage(memory.buffer, plan, external);
  fillBuffers(layout, image);
  return { memory, plan, external, image, lists: listsAt, mover: new RowMover(layout.plan.layout) };
}

/**
 * Lists the tables that exist in shared memory, without space for a state beside each row.
 * @param areAll whether these are all of them, or those with spare rows
 */
function listSharedTables(
  { plan: { sharedTables }, tables }: Layout,
  areAll: boolean,
): readonly (readonly [Buffer, Float32Array])[] {
  return tables.all.flatMap(({ name, at: { buffer }, rows, stride, rowWords }) => {
    const floats = sharedTables?.get(tableTensor(name));
    const storedRows = buffer.rows as number; // a table has no domain
    const isShared = floats !== undefined && stride === rowWords && (areAll || storedRows > rows);
    return isShared ? [[buffer, floats.subarray(0, storedRows * stride)] as const] : [];
  });
}

/**
 * Returns the bytes of a program's tables, with optimizer state and spare rows: of all, or of those in their own
 * memory.
 */
export function countTableBytes({ tables }: Layout, plan?: MemoryPlan): number {
  return tables.all
    .filter((table) => plan === undefined || isExternal(table, plan))
    .reduce((sum, { at: { buffer }, stride }) => sum + (buffer.rows as number) * stride * WORD, 0);
}
