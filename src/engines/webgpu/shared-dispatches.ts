import type { OwnKernel } from './kernel.js';
import type { Planned } from './planned.js';
import { MAX_CALLS } from './wgsl/prelude.js';

/** Calls of one kernel on one buffer of tables. */
type Group = readonly [Planned, ...Planned[]];

/** Where a call adds sums over the batch up, if it does. */
const sumOf = ({ names, values, kernel }: Planned): number | undefined =>
  names.includes('g') && names.includes('rows') && kernel.writes === undefined ? values[names.indexOf('g')] : undefined;

const usesTables = ([{ names }]: Group): boolean => names.includes('table');

/**
 * Whether a kernel has a dispatch for itself: so many workgroups of the others would take the memory of one, its parts,
 * or numbers that not all devices have.
 */
const isAlone = ({ kernel }: Planned): boolean =>
  kernel.form === 'own' && (kernel.hasTiles === true || kernel.isHalf === true || kernel.parts !== undefined);

function declared({ kernel }: Planned): string {
  return (kernel as OwnKernel).declares ?? ''; // calls by rows are not grouped here
}

const touched = (group: Group): ReadonlySet<number> => new Set(group.flatMap(({ touches }) => [...touches]));
const knowsWrites = ([{ kernel }]: Group): boolean => (kernel as OwnKernel).writes !== undefined;

/**
 * Whether a group has to keep its place behind another: they have memory in common, and it was not seen before that
 * what both write lies apart.
 */
function follows(group: Group, other: Group): boolean {
  if (group[0].name === other[0].name) return true;
  if (knowsWrites(group) && knowsWrites(other)) return false;
  const pieces = touched(other);
  return [...touched(group)].some((piece) => pieces.has(piece));
}

/** Whether calls of one kernel may go into a dispatch with others. */
function fits(group: Group, others: readonly Group[]): boolean {
  if (isAlone(group[0]) || others.some(([call]) => isAlone(call))) return false;
  if (others.reduce((sum, { length }) => sum + length, group.length) > MAX_CALLS) return false;
  const withTables = [...others, group].filter(usesTables);
  if (withTables.some(([{ tableBuffer }]) => tableBuffer !== withTables[0]![0].tableBuffer)) return false;
  // What two kernels declare may have the same names.
  return new Set([...others, group].map(([call]) => declared(call)).filter((text) => text !== '')).size <= 1;
}

/**
 * Puts calls into few dispatches: in each, groups of calls of one kernel and buffer of tables. Calls of one kernel do
 * not meet, but for what one adds
 * to what another has written, which waits for it; kernels that meet keep their order.
 */
export function inSharedDispatches(calls: readonly Planned[]): readonly (readonly Group[])[] {
  const groups: [Planned, ...Planned[]][] = [];
  // Of a table in several buffers, the first rows come first.
  for (const call of [...calls].sort((a, b) => a.tableBuffer - b.tableBuffer)) {
    const { name, tableBuffer } = call;
    const isFree = (group: Group): boolean =>
      group.length < MAX_CALLS && group[0].name === name && group[0].tableBuffer === tableBuffer;
    const after = groups.findLastIndex(
      (group) =>
        group[0].name === name && group.some((other) => sumOf(other) !== undefined && sumOf(other) === sumOf(call)),
    );
    const group = groups.find((each, i) => i > after && isFree(each));
    if (group === undefined) groups.push([call]);
    else group.push(call);
  }
  const shared: Group[][] = [];
  for (const group of groups) {
    let place: Group[] | undefined;
    for (let i = shared.length - 1; i >= 0 && !shared[i]!.some((other) => follows(group, other)); i--)
      if (fits(group, shared[i]!)) place = shared[i]!;
    if (place === undefined) shared.push([group]);
    else place.push(group);
  }
  return shared;
}
