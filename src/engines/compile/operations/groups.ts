import { BATCH } from '../../../graph/domain.js';
import type { Value, ValueOf } from '../../../graph/operations.js';
import { toFours, type Ref, type View } from '../buffers.js';
import type { Gathered } from '../call-list.js';
import type { Lowered, Lowering } from '../lowering.js';

// Comparisons within groups. A group may have rows of several processes, so each process all-gathers the columns and
// computes its own rows.

/** Words per row of the links of groups. */
const LINK_WORDS = 3;

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

/** The links between the rows of each group. */
function linksOf(groups: Value, { buffers, allMaxRows }: Lowering): Ref {
  return buffers.take(`links ${groups.id}`, 'scratch', LINK_WORDS, allMaxRows);
}

/** Emits the links between rows, which later calls follow through their groups. */
function link(groups: Value, lowering: Lowering): void {
  const { buffers, list, part, allMaxRows, whole } = lowering;
  const { value } = whole(groups);
  const bits = Math.max(4, Math.ceil(Math.log2(2 * allMaxRows)));
  list.emit('linkGroups', {
    groups: value,
    ld: value.ld,
    links: linksOf(groups, lowering),
    places: buffers.take(`hash of groups ${groups.id}`, 'scratch', 1, 1 << bits),
    bits,
    rows: BATCH,
    part: part ?? 0,
    columns: toFours(1),
  });
}

/** Takes turns: gathers columns, links groups, then `emit`. */
function overGroups(columns: readonly Value[], groups: Value, lowering: Lowering, emit: () => void): void {
  const links = lowering.isFirst(`links of ${groups.id}`) ? { emit: () => link(groups, lowering) } : {};
  lowering.inTurns([{ columns: notGathered([...columns, groups], lowering) }, links, { emit }]);
}

/** Copies this process's rows of a gathered column. */
function takeOwn(x: View, y: View, accumulate: number, { list, part }: Lowering): void {
  if (part !== undefined) list.emit('ownRows', { x, y, rows: BATCH, part, accumulate });
}

/** Comparisons within groups. */
export const GROUPS: { readonly [Name in 'groupLogSumExp' | 'groupPairs']: Lowered<Name> } = {
  groupLogSumExp: {
    isByColumns: () => true,
    forward(value, lowering) {
      const { list, view, part = 0, whole } = lowering;
      const [x, y] = [whole(value.x).value, whole(value).value];
      const links = linksOf(value.groups, lowering);
      overGroups([value.x], value.groups, lowering, () => {
        list.emit('groupLogSumExp', { x, links, y, rows: BATCH, part, columns: x.columns });
        takeOwn(y, view(value), 0, lowering);
      });
    },
    backward(value, lowering) {
      const { list, gradient, part, whole, accumulate, inTurns } = lowering;
      const [{ value: x, gradient: dx }, { value: y, gradient: dy }] = [whole(value.x), whole(value)];
      const isAdded = accumulate(value.x);
      const shared = { x, links: linksOf(value.groups, lowering), y, dy, dx, rows: BATCH, columns: x.columns };
      inTurns([
        { columns: gradientToGather(value, lowering) },
        {
          emit() {
            const accumulated = part === undefined ? isAdded : 0;
            list.emit('groupLogSumExpGradient', { ...shared, accumulate: accumulated, part: part ?? 0 });
            takeOwn(dx, gradient(value.x), isAdded, lowering);
          },
        },
      ]);
    },
  },

  // Each worker has its own rows and reads those of others.
  groupPairs: {
    isByColumns: () => true,
    forward(value, lowering) {
      const { list, view, part = 0, whole } = lowering;
      const y = whole(value).value;
      overGroups([value.x, value.label], value.groups, lowering, () => {
        list.emit('groupPairs', { ...compared(value, lowering), counts: countsOf(value, lowering).own, y, part });
        takeOwn(y, view(value), 0, lowering);
      });
    },
    backward(value, lowering) {
      const { list, gradient, part, whole, accumulate, inTurns } = lowering;
      const [dx, dy] = [whole(value.x).gradient, whole(value).gradient];
      const isAdded = accumulate(value.x);
      const counts = countsOf(value, lowering);
      inTurns([
        { columns: [...gradientToGather(value, lowering), ...(part === undefined ? [] : [counts])] },
        {
          emit() {
            list.emit('groupPairsGradient', {
              ...compared(value, lowering),
              counts: counts.all,
              dy,
              dx,
              accumulate: part === undefined ? isAdded : 0,
              part: part ?? 0,
            });
            takeOwn(dx, gradient(value.x), isAdded, lowering);
          },
        },
      ]);
    },
  },
};

/** What the kernels of pairs read. */
function compared({ x, label, groups }: ValueOf<'groupPairs'>, lowering: Lowering) {
  const labels = lowering.whole(label).value;
  return {
    x: lowering.whole(x).value,
    label: labels,
    ldt: labels.ld,
    links: linksOf(groups, lowering),
    rows: BATCH,
  };
}

/** The number of pairs of each row. */
function countsOf({ id }: ValueOf<'groupPairs'>, { buffers, part, allMaxRows }: Lowering): Gathered {
  const own = buffers.take(`counts ${id}`, 'scratch', BATCH);
  const all = part === undefined ? own : buffers.take(`all counts ${id}`, 'scratch', allMaxRows);
  return { own, ld: 1, all };
}
