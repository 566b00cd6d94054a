import type { Ref } from '../compile/buffers.js';
import { isRef } from './arguments.js';
import type { OwnKernel } from './kernel.js';
import { intersects } from './phase-order.js';
import type { Planned } from './planned.js';
import { MAX_CALLS } from './wgsl/prelude.js';

/** Calls of one kernel on one buffer of tables. */
type Group = readonly [Planned, ...Planned[]];

/** Calls by rows are not grouped here. */
const kernelOf = ([{ of }]: Group): OwnKernel => of.kernel as OwnKernel;

/** Returns the sum over the batch that a call writes or adds to, if there is one. */
function sumOf({ of: { kernel, names }, operands }: Planned): Ref | undefined {
  if (kernel.form !== 'own' || kernel.sum === undefined) return undefined;
  const operand = operands[names.indexOf(kernel.sum)]!;
  return isRef(operand) ? operand : undefined;
}

function haveSameSum(call: Planned, other: Planned): boolean {
  const [a, b] = [sumOf(call), sumOf(other)];
  return a !== undefined && a.buffer === b?.buffer && a.offset === b.offset;
}

/**
 * Returns whether a kernel has a dispatch to itself: because of the workgroup memory that all would take, its parts, or
 * half precision, which not all devices have.
 */
const isAlone = (group: Group): boolean => {
  const { hasTiles, isHalf, parts } = kernelOf(group);
  return hasTiles === true || isHalf === true || parts !== undefined;
};

/**
 * Returns whether a group must follow another: they have a buffer in common, unless both are known to write other
 * elements.
 */
function follows(group: Group, other: Group): boolean {
  if (group[0].of.name === other[0].of.name) return true;
  if (kernelOf(group).writes !== undefined && kernelOf(other).writes !== undefined) return false;
  return group.some((call) =>
    other.some(({ reads, writes }) =>
      [call.reads, call.writes].some((own) => intersects(own, reads) || intersects(own, writes)),
    ),
  );
}

/** Returns whether calls of one kernel may share a dispatch with others. */
function fits(group: Group, others: readonly Group[]): boolean {
  const all = [...others, group];
  if (all.some(isAlone)) return false;
  if (all.reduce((sum, { length }) => sum + length, 0) > MAX_CALLS) return false;
  const buffers = all.flatMap(([{ tableBuffer }]) => tableBuffer ?? []);
  if (new Set(buffers).size > 1) return false;
  // Declarations of two kernels may have the same names.
  return new Set(all.map((each) => kernelOf(each).declares ?? '').filter((text) => text !== '')).size <= 1;
}

/** Groups calls of the same kernel and buffer of tables; a call that adds to the sum of another is in a later group. */
function inKernelGroups(calls: readonly Planned[]): readonly Group[] {
  const groups: [Planned, ...Planned[]][] = [];
  // If a table is stored in several buffers, its first rows come first.
  for (const call of [...calls].sort((a, b) => (a.tableBuffer ?? 0) - (b.tableBuffer ?? 0))) {
    const {
      of: { name },
      tableBuffer,
    } = call;
    const isFree = (group: Group): boolean =>
      group.length < MAX_CALLS && group[0].of.name === name && group[0].tableBuffer === tableBuffer;
    const after = groups.findLastIndex(
      (group) => group[0].of.name === name && group.some((other) => haveSameSum(other, call)),
    );
    const group = groups.find((each, i) => i > after && isFree(each));
    if (group === undefined) groups.push([call]);
    else group.push(call);
  }
  return groups;
}

/**
 * Distributes calls over few dispatches, each with groups of calls of one kernel and buffer of tables. Calls of one
 * kernel are independent, unless one adds to the sum of another; dependent kernels keep their order.
 */
export function inSharedDispatches(calls: readonly Planned[]): readonly (readonly Group[])[] {
  const shared: Group[][] = [];
  for (const group of inKernelGroups(calls)) {
    let place: Group[] | undefined;
    for (let i = shared.length - 1; i >= 0 && !shared[i]!.some((other) => follows(group, other)); i--)
      if (fits(group, shared[i]!)) place = shared[i]!;
    if (place === undefined) shared.push([group]);
    else place.push(group);
  }
  return shared;
}
