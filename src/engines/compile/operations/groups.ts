import type { Value, ValueOf } from '../../../graph/operations.js';
import { ROWS, type Gathered } from '../call-list.js';
import type { Lowered, Lowering } from '../lowering.js';
import { toFours } from '../places.js';

// What losses compare within groups. A group may have rows of several processes: each has the columns of all rows then,
// and computes its own.

/** Words a row that links of groups take. */
const LINK_WORDS = 3;

/** Columns that are not together yet; where this process has all rows, there is nothing to put together. */
function apart(values: readonly Value[], { part, places, whole, isFirst }: Lowering): readonly Gathered[] {
  if (part === 0) return [];
  return values
    .filter(({ id }) => isFirst(`all rows of ${id}`))
    .map((value) => ({ own: places.of(value).at, ld: places.of(value).ld, all: whole(value).at }));
}

/** A column of gradients, of which a pass may have several. */
function gradientApart(value: Value, { part, places, whole }: Lowering): readonly Gathered[] {
  return part === 0 ? [] : [{ own: places.of(value).gradient, ld: places.of(value).ld, all: whole(value).gradient }];
}

/** Where the links between the rows of each group lie. */
function linksAt(groups: Value, { arena, allMaxRows }: Lowering): number {
  return arena.take(`links ${groups.id}`, LINK_WORDS * allMaxRows);
}

/** Links rows, behind which others may go through their groups. */
function link(groups: Value, lowering: Lowering): void {
  const { arena, list, part, allMaxRows, whole } = lowering;
  const { at, ld } = whole(groups);
  const bits = Math.max(4, Math.ceil(Math.log2(2 * allMaxRows)));
  list.emit('linkGroups', {
    groups: at,
    ld,
    links: linksAt(groups, lowering),
    places: arena.take(`places of groups ${groups.id}`, 1 << bits),
    bits,
    rows: ROWS,
    part,
    columns: toFours(1),
  });
}

/** What looks at the rows of groups: behind their columns, and behind the links. */
function overGroups(columns: readonly Value[], groups: Value, lowering: Lowering, emit: () => void): void {
  const links = lowering.isFirst(`links of ${groups.id}`) ? { emit: () => link(groups, lowering) } : {};
  lowering.inTurns([{ columns: apart([...columns, groups], lowering) }, links, { emit }]);
}

/** Takes this process's rows of a column that it has of all rows. */
function takeOwn(all: number, own: number, ld: number, accumulate: number, { list, part }: Lowering): void {
  if (part !== 0) list.emit('ownRows', { x: all, y: own, ldy: ld, rows: ROWS, part, accumulate });
}

/** What losses compare within groups. */
export const GROUPS: { readonly [Name in 'groupLogSumExp' | 'groupPairs']: Lowered<Name> } = {
  groupLogSumExp: {
    isByColumns: () => true,
    forward(value, lowering) {
      const { places, list, part, whole } = lowering;
      const [x, y, own] = [whole(value.x), whole(value), places.of(value)];
      overGroups([value.x], value.groups, lowering, () => {
        list.emit('groupLogSumExp', {
          x: x.at,
          ldx: x.ld,
          links: linksAt(value.groups, lowering),
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          part,
          columns: x.columns,
        });
        takeOwn(y.at, own.at, own.ld, 0, lowering);
      });
    },
    backward(value, lowering) {
      const { places, list, part, whole, accumulate, inTurns } = lowering;
      const [x, y, own] = [whole(value.x), whole(value), places.of(value.x)];
      const isAdded = accumulate(value.x);
      inTurns([
        { columns: gradientApart(value, lowering) },
        {
          emit() {
            list.emit('groupLogSumExpGradient', {
              x: x.at,
              ldx: x.ld,
              links: linksAt(value.groups, lowering),
              y: y.at,
              ldy: y.ld,
              dy: y.gradient,
              dx: x.gradient,
              accumulate: part === 0 ? isAdded : 0,
              rows: ROWS,
              part,
              columns: x.columns,
            });
            takeOwn(x.gradient, own.gradient, own.ld, isAdded, lowering);
          },
        },
      ]);
    },
  },

  // Each worker has its own rows, and reads those of others.
  groupPairs: {
    isByColumns: () => true,
    forward(value, lowering) {
      const { places, list, part, whole } = lowering;
      const [x, t, y, own] = [whole(value.x), whole(value.label), whole(value), places.of(value)];
      overGroups([value.x, value.label], value.groups, lowering, () => {
        list.emit('groupPairs', {
          x: x.at,
          ldx: x.ld,
          label: t.at,
          ldt: t.ld,
          links: linksAt(value.groups, lowering),
          counts: countsAt(value, lowering).own,
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          part,
        });
        takeOwn(y.at, own.at, own.ld, 0, lowering);
      });
    },
    backward(value, lowering) {
      const { places, list, part, whole, accumulate, inTurns } = lowering;
      const [x, t, y, own] = [whole(value.x), whole(value.label), whole(value), places.of(value.x)];
      const isAdded = accumulate(value.x);
      const counts = countsAt(value, lowering);
      inTurns([
        { columns: [...gradientApart(value, lowering), ...(part === 0 ? [] : [counts])] },
        {
          emit() {
            list.emit('groupPairsGradient', {
              x: x.at,
              ldx: x.ld,
              label: t.at,
              ldt: t.ld,
              links: linksAt(value.groups, lowering),
              counts: counts.all,
              dy: y.gradient,
              ldy: y.ld,
              dx: x.gradient,
              accumulate: part === 0 ? isAdded : 0,
              rows: ROWS,
              part,
            });
            takeOwn(x.gradient, own.gradient, own.ld, isAdded, lowering);
          },
        },
      ]);
    },
  },
};

/** How many pairs each row is in. */
function countsAt({ id }: ValueOf<'groupPairs'>, { arena, part, places, allMaxRows }: Lowering): Gathered {
  const own = arena.take(`counts ${id}`, places.maxRows);
  return { own, ld: 1, all: part === 0 ? own : arena.take(`all counts ${id}`, allMaxRows) };
}
