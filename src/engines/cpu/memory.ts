import { RowMover } from '../../tables/moved-rows.js';
import { WORD, type Buffer, type Ref } from '../compile/buffers.js';
import type { Call } from '../compile/call-list.js';
import type { Layout } from '../compile/layout.js';
import { createImage, type Image } from '../state/image.js';
import { planMemory, type MemoryPlan } from '../state/memory-plan.js';
import { fillBuffers } from '../state/results.js';
import { allocateTables, type TableMemory } from '../state/table-memory.js';
import { BEGIN } from './begin.js';
import { COMMAND_WORDS } from './command.js';
import { takeLists } from './lists.js';
import { createMemory, lineOffset, type KernelModule } from './module.js';

/**
 * First address of tables, which is the end of a WebAssembly memory. Only calls use these addresses: native kernels
 * translate them to addresses of the process, and WebAssembly kernels access rows through a window.
 */
const TABLES_BEGIN = 2 ** 32;

/** The memory of a program, shared by its threads, and the memory of its tables. */
export interface CpuMemory {
  readonly memory: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  readonly tables: TableMemory;
  readonly image: Image;
  /** Where lists of calls are placed. */
  readonly lists: Ref;
  readonly mover: RowMover;
}

/** Plans the memory of a program's buffers; the barrier and commands are first. Tables have memory of their own. */
export function planCpuMemory({ buffers, maxRowsOf }: Pick<Layout, 'buffers' | 'maxRowsOf'>): MemoryPlan {
  const isTable = ({ role }: Buffer): boolean => role === 'table';
  const others = buffers.all.filter((buffer) => !isTable(buffer));
  const { bytes, addresses } = planMemory(others, BEGIN + COMMAND_WORDS * WORD, maxRowsOf);
  const tables = planMemory(buffers.all.filter(isTable), TABLES_BEGIN, maxRowsOf);
  return { bytes, addresses: new Map([...addresses, ...tables.addresses]) };
}

/**
 * Allocates the memory of a program, whose buffers are complete from then on, and writes initial values.
 * @throws UserError (data) if a table cannot be allocated
 */
export function allocate(
  layout: Layout,
  lists: Readonly<Record<string, readonly Call[]>>,
  kernels: KernelModule,
): CpuMemory {
  const listsAt = takeLists(layout, lists);
  layout.buffers.seal();
  const plan = planCpuMemory(layout);
  const memory = createMemory(plan.bytes);
  const tables = allocateTables(layout, plan, (table) => lineOffset(kernels, table));
  const image = createImage(memory.buffer, plan, tables);
  fillBuffers(layout, image);
  return { memory, plan, tables, image, lists: listsAt, mover: new RowMover(layout.plan.layout) };
}
