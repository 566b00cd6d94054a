import { BATCH } from '../../../graph/domain.js';
import type { Value, ValueOf } from '../../../graph/operations.js';
import { roundUpTo4, type Ref } from '../buffers.js';
import type { Gathered } from '../call-list.js';
import type { Lowered, Lowering } from '../lowering.js';

// Comparisons within groups, which are segments of the batch. A group may have rows of several processes, so each
// process all-gathers the columns and computes its own rows.

/** Words of a double. */
const DOUBLE_WORDS = 2;

/** Columns to all-gather; none if this process has all rows, or if they have been gathered before. */
function notGathered(values: readonly Value[], { part, view, whole, isFirst }: Lowering): readonly Gathered[] {
  if (part === undefined) return [];
  return values
    .filter(({ id }) => isFirst(`all rows of ${id}`))
    .map((value) => ({ own: view(value), ld: view(value).ld, all: whole(value).value }));
}

/** A column of gradients to all-gather. A pass may have several. */
function gradientToGather(value: Value, { part, gradient, whole }: Lowering): readonly Gathered[] {
  const own = gradient(value);
  return part === undefined ? [] : [{ own, ld: own.ld, all: whole(value).gradient }];
}

/**
 * The segments of a batch, as kernels read them: rows by segment, where each segment begins, the segment of each row,
 * and a double of scratch per row.
 */
function segmentsOf(groups: Value, { buffers, part, allMaxRows }: Lowering) {
  const take = (name: string, words: number): Ref => buffers.take(`${name} ${groups.id}`, 'scratch', 1, words);
  return {
    order: take('rows by group', allMaxRows),
    offsets: take('offsets of groups', allMaxRows + 1),
    segments: take('groups of rows', allMaxRows),
    numbers: take('numbers of groups', DOUBLE_WORDS * allMaxRows),
    rows: BATCH,
    part: part ?? (0 as const),
  };
}

/** Emits the arrangement of rows in segments. */
function arrange(groups: Value, lowering: Lowering): void {
  const { buffers, list, allMaxRows, whole } = lowering;
  const bits = Math.max(4, Math.ceil(Math.log2(2 * allMaxRows)));
  list.emit('arrangeGroups', {
    ...segmentsOf(groups, lowering),
    groups: whole(groups).value,
    ld: whole(groups).value.ld,
    places: buffers.take(`hash of groups ${groups.id}`, 'scratch', 1, 1 << bits),
    bits,
    columns: roundUpTo4(1),
  });
}

/** Takes turns: gathers columns, arranges groups, then `emit`. */
function overGroups(columns: readonly Value[], groups: Value, lowering: Lowering, emit: () => void): void {
  const isArranged = !lowering.isFirst(`segments of ${groups.id}`);
  lowering.inTurns([
    { columns: notGathered([...columns, groups], lowering) },
    isArranged ? {} : { emit: () => arrange(groups, lowering) },
    { emit },
  ]);
}

export const GROUPS: { readonly [Name in 'groupLogSumExp' | 'groupPairs']: Lowered<Name> } = {
  groupLogSumExp: {
    forward(value, lowering) {
      const { list, view, whole } = lowering;
      const segments = segmentsOf(value.groups, lowering);
      overGroups([value.x], value.groups, lowering, () =>
        list.emit('groupLogSumExp', { ...segments, x: whole(value.x).value, y: view(value) }),
      );
    },
    backward(value, lowering) {
      const { list, view, gradient, whole, accumulate, inTurns } = lowering;
      const args = {
        ...segmentsOf(value.groups, lowering),
        x: whole(value.x).value,
        y: view(value),
        dy: whole(value).gradient,
        dx: gradient(value.x),
        accumulate: accumulate(value.x),
      };
      inTurns([
        { columns: gradientToGather(value, lowering) },
        { emit: () => list.emit('groupLogSumExpGradient', args) },
      ]);
    },
  },

  groupPairs: {
    forward(value, lowering) {
      const { list, view } = lowering;
      overGroups([value.x, value.label], value.groups, lowering, () =>
        list.emit('groupPairs', { ...compared(value, lowering), y: view(value) }),
      );
    },
    backward(value, lowering) {
      const { list, gradient, whole, accumulate, inTurns } = lowering;
      const args = {
        ...compared(value, lowering),
        dy: whole(value).gradient,
        dx: gradient(value.x),
        accumulate: accumulate(value.x),
      };
      inTurns([{ columns: gradientToGather(value, lowering) }, { emit: () => list.emit('groupPairsGradient', args) }]);
    },
  },
};

/** What the kernels of pairs read. */
function compared({ x, label, groups }: ValueOf<'groupPairs'>, lowering: Lowering) {
  const labels = lowering.whole(label).value;
  return { ...segmentsOf(groups, lowering), x: lowering.whole(x).value, label: labels, ldt: labels.ld };
}
