import { WORD, type Ref } from '../compile/buffers.js';
import type { Call } from '../compile/call-list.js';
import type { Layout } from '../compile/layout.js';
import { createApart, isApart, type Apart } from '../state/apart.js';
import { createImage, type Image } from '../state/image.js';
import { fillBuffers } from '../state/results.js';
import { planMemory, type MemoryPlan } from '../state/memory-plan.js';
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
  readonly apart: readonly Apart[];
  readonly image: Image;
  /** Where lists of calls are placed. */
  readonly lists: Ref;
}

/** Plans the memory of a program's buffers; the barrier and commands are first. */
export function planCpuMemory({ buffers, maxRowsOf }: Layout, tableBytes: number = TABLE_BYTES): MemoryPlan {
  return planMemory(buffers.all, BEGIN + COMMAND_WORDS * WORD, maxRowsOf, tableBytes);
}

/**
 * Allocates the memory of a program, whose buffers are complete from then on, and writes initial values.
 * @throws UserError (data) if a table cannot be allocated
 */
export function allocate(
  layout: Layout,
  lists: Readonly<Record<string, readonly Call[]>>,
  tableBytes?: number,
): CpuMemory {
  const listsAt = takeLists(layout, lists);
  layout.buffers.seal();
  const plan = planCpuMemory(layout, tableBytes);
  const memory = createMemory(plan.bytes);
  const apart = createApart(layout.tables.all, plan);
  const image = createImage(memory.buffer, plan, apart);
  fillBuffers(layout, image);
  return { memory, plan, apart, image, lists: listsAt };
}

/** Returns the bytes of a program's tables with their optimizer state: of all, or of those in their own memory. */
export function tableBytesOf({ tables }: Layout, plan?: MemoryPlan): number {
  return tables.all
    .filter((table) => plan === undefined || isApart(table, plan))
    .reduce((sum, { rows, stride }) => sum + rows * stride * WORD, 0);
}
