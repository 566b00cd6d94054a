import { column, type Batch } from '../src/core/batch.js';
import type { Call } from '../src/engines/compile/call-list.js';
import { compile, type Compiled } from '../src/engines/compile/compile.js';
import { argumentNames, type KernelName } from '../src/engines/compile/kernel-arguments.js';
import type { TablePlace } from '../src/engines/compile/tables.js';
import { observeCalls } from './phases.js';
import { batchesOf, planOf, type Workload } from './workloads.js';

// The balance of a training step among any number of workers, from the partitions of its calls: no speed.

/** Columns of a cache line. */
const LINE = 16;
/** Time of the kernels of a table that workers share, relative to `gatherGradients` on one thread. */
const SHARED_COSTS: Readonly<Partial<Record<Call['kernel'], number>>> = {
  findRows: 0.7,
  numberRows: 0.2,
  addGradients: 0.8,
};

/** What the partitions of a call depend on. */
interface Context {
  readonly compiled: Compiled;
  readonly batch: Batch;
  readonly threads: number;
}

/** Returns the calls of a step by list, in order. */
function listsOf({ areas, lists }: Compiled): readonly (readonly Call[])[] {
  return areas > 1 ? [lists.pass, lists.products, lists.update] : [lists.train];
}

/** Measures milliseconds of each call of a step on one thread: means over the second half of the steps. */
export async function timeCalls(work: Workload, steps: number): Promise<readonly number[]> {
  const calls = listsOf(compile(planOf(work))).flat();
  const total = calls.map(() => 0);
  let next = 0;
  await observeCalls(work, 1, steps, 20, (kernel, elapsedMs, isCounted) => {
    if (kernel !== calls[next]!.kernel) throw new Error(`'${kernel}' was called in place of call ${next} of a step`);
    if (isCounted) total[next]! += elapsedMs;
    next = (next + 1) % calls.length;
  });
  return total.map((ms) => ms / (steps - (steps >> 1)));
}

/** Returns an argument of a call: undefined if it has none, or no number. */
function numberOf({ kernel, operands }: Call, name: string): number | undefined {
  const operand = operands[argumentNames(kernel as KernelName).indexOf(name)];
  return typeof operand === 'number' ? operand : undefined;
}

/** Returns the table that a call works on. */
function tableOf({ operands }: Call, { tables }: Compiled): TablePlace | undefined {
  const buffers = new Set(
    operands.flatMap((operand) => (typeof operand === 'object' && 'buffer' in operand ? [operand.buffer] : [])),
  );
  return tables.all.find(({ distinct, at, rowNumbers }) =>
    [distinct, at, ...rowNumbers].some(({ buffer }) => buffers.has(buffer)),
  );
}

/** Returns the number of each id's distinct row in the order of first use, and how many there are. */
export function numberIds(
  batch: Batch,
  { lookups }: Pick<TablePlace, 'lookups'>,
): {
  readonly numbers: readonly number[];
  readonly count: number;
} {
  const known = new Map<number, number>();
  const numbers: number[] = [];
  for (const { kind, field } of lookups)
    for (const id of kind === 'id' ? column(batch, field, 'u32').data : column(batch, field, 'list').ids) {
      if (!known.has(id)) known.set(id, known.size);
      numbers.push(known.get(id)!);
    }
  return { numbers, count: known.size };
}

interface Member {
  readonly self: number;
  readonly threads: number;
}

/** Returns a worker's share of `count` items that are handed out `unit` at a time, as src/kernels/team.c has it. */
function shareOf({ self, threads }: Member, count: number, unit: number): { begin: number; end: number } {
  const units = Math.ceil(count / unit);
  const first = (worker: number): number => Math.min(count, Math.floor((units * worker) / threads) * unit);
  return { begin: first(self), end: first(self + 1) };
}

/** Returns the worker that adds the gradients of a distinct row of a shared table, as src/kernels/tables.c has it. */
export function workerOf(number: number, width: number, threads: number): number {
  const shift = width < LINE ? Math.floor(Math.log2(Math.floor(LINE / width))) : 0;
  const hash = Math.imul(number >>> shift, 0x9e3779b1) >>> 16;
  for (let self = 0; ; self++) if (hash < shareOf({ self, threads }, 2 ** 16, 1).end) return self;
}

const sizes = (threads: number, count: number, unit: number): readonly number[] =>
  Array.from({ length: threads }, (_, self) => {
    const { begin, end } = shareOf({ self, threads }, count, unit);
    return end - begin;
  });
const onlyOf = (threads: number, worker: number): readonly number[] =>
  Array.from({ length: threads }, (_, self) => (self === worker ? 1 : 0));

/** Returns the columns of a call by worker, whose cache lines are shared with the other calls of its phase. */
function columnsByWorker(threads: number, columns: number, slot: number, slots: number): readonly number[] {
  const firstOf = (worker: number): number =>
    Math.min(columns, Math.max(0, Math.floor((slots * worker) / threads) - slot) * LINE);
  return Array.from({ length: threads }, (_, self) => firstOf(self + 1) - firstOf(self));
}

/** Returns the ids of a shared table by worker. */
function idsByWorker(batch: Batch, table: TablePlace, threads: number): readonly number[] {
  const ids = new Array<number>(threads).fill(0);
  for (const number of numberIds(batch, table).numbers) ids[workerOf(number, table.width, threads)]!++;
  return ids;
}

/**
 * Returns the units of work of a call by worker: rows, columns, inputs or ids; undefined if the worker that is free
 * takes all of it.
 */
function unitsByWorker(call: Call, { compiled, batch, threads }: Context): readonly number[] | undefined {
  const { kernel } = call;
  const of = (name: string): number | undefined => numberOf(call, name);
  const [columns, slots, turn] = [of('columns'), of('slots'), of('turn')];
  if (kernel === 'addGradients') return idsByWorker(batch, tableOf(call, compiled)!, threads);
  if (of('isFirstField') !== undefined) return undefined;
  if (slots !== undefined) return columnsByWorker(threads, columns!, of('slot')!, slots);
  if (turn !== undefined) return onlyOf(threads, turn % threads);
  if (kernel.endsWith('Table') || kernel === 'averageRows')
    return sizes(threads, of('tableRows')! || numberIds(batch, tableOf(call, compiled)!).count, 1);
  if (kernel.startsWith('gemmGradient')) return sizes(threads, of('k')!, 4);
  if (kernel === 'columnSums' || kernel === 'columnProducts') return sizes(threads, columns!, LINE);
  if (kernel === 'diceSlopes' || kernel === 'preluSlope') return sizes(threads, of('width')!, 4);
  if (kernel === 'transposePanels') return sizes(threads, Math.ceil(of('k')! / 8), 1);
  if (['meanLoss', 'clipNorm', 'releaseTables'].includes(kernel)) return onlyOf(threads, 0);
  return sizes(threads, of('count') ?? of('rows') ?? batch.rows, 4);
}

/** Returns the milliseconds of calls with the kernels that so many workers use for tables that they share. */
function withSharedTables(calls: readonly Call[], times: readonly number[], context: Context): readonly number[] {
  const { compiled, threads } = context;
  const isShared = (call: Call): boolean => {
    const from = call.kernel === 'barrier' ? 0 : (numberOf(call, 'sharedFrom') ?? 0);
    return from > 0 && threads >= from;
  };
  const gatherMs = new Map<TablePlace, number>();
  for (const [i, call] of calls.entries()) {
    const table = tableOf(call, compiled)!;
    if (call.kernel === 'gatherGradients' && isShared(call))
      gatherMs.set(table, (gatherMs.get(table) ?? 0) + times[i]! / table.lookups.length);
  }
  return calls.map((call, i) =>
    isShared(call) ? (SHARED_COSTS[call.kernel] ?? 0) * (gatherMs.get(tableOf(call, compiled)!) ?? 0) : times[i]!,
  );
}

/**
 * Returns the balance of a step among workers: their mean work over that of the worker with most, summed over the
 * phases between barriers. Work is that of calls in units by worker, each call weighted by its time on one thread.
 */
export function balanceOf(work: Workload, times: readonly number[], threads: number): number {
  const compiled = compile(planOf(work));
  const context = { compiled, batch: batchesOf(work, 1)[0]!, threads };
  const lists = listsOf(compiled);
  const costs = withSharedTables(lists.flat(), times, context);
  let [sum, critical] = [0, 0];
  let workers = new Array<number>(threads).fill(0);
  /** Tables that free workers take, in this order. */
  let tables = new Map<TablePlace, number>();
  const endPhase = (): void => {
    for (const ms of tables.values()) workers[workers.indexOf(Math.min(...workers))]! += ms;
    sum += workers.reduce((all, ms) => all + ms, 0);
    critical += Math.max(...workers);
    workers = workers.map(() => 0);
    tables = new Map();
  };
  const add = (call: Call, ms: number): void => {
    if (call.kernel === 'barrier') {
      endPhase();
      return;
    }
    const units = unitsByWorker(call, context);
    const table = tableOf(call, compiled)!;
    if (units === undefined) tables.set(table, (tables.get(table) ?? 0) + ms);
    else {
      const total = units.reduce((all, count) => all + count, 0);
      if (total > 0) workers = workers.map((own, self) => own + (ms * units[self]!) / total);
    }
  };
  let next = 0;
  for (const list of lists) {
    for (const call of list) add(call, costs[next++]!);
    endPhase();
  }
  return sum / threads / critical;
}
