import type { Value } from '../../graph/operations.js';
import { ROWS } from './call-list.js';
import type { Lowered, Lowering } from './lowering.js';
import { toFours } from './places.js';

/** Words a row that links of groups take. */
const LINK_WORDS = 3;

/** Where the links between the rows of each group lie, for a value that compares them. */
function linksAt({ id, groups }: { readonly id: number; readonly groups: Value }, { arena, places }: Lowering) {
  const bits = Math.max(4, Math.ceil(Math.log2(2 * places.maxRows)));
  return { groups: places.of(groups), bits, links: arena.take(`links ${id}`, LINK_WORDS * places.maxRows), places: arena.take(`places of groups ${id}`, 1 << bits) };
}

/** Links rows, behind which others may go through their groups. */
function link(value: Parameters<typeof linksAt>[0], lowering: Lowering): number {
  const { list } = lowering;
  const { groups, bits, links, places } = linksAt(value, lowering);
  list.separate();
  list.emit('linkGroups', { groups: groups.at, ld: groups.ld, links, places, bits, rows: ROWS, columns: toFours(1) });
  list.separate();
  return links;
}

/** What losses compare within groups. */
export const GROUPS: { readonly [Name in 'groupLogSumExp' | 'groupPairs']: Lowered<Name> } = {
  groupLogSumExp: {
    isByColumns: () => true,
    needsAllRows: true,
    forward(value, lowering) {
      const { places, list } = lowering;
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('groupLogSumExp', { x: x.at, ldx: x.ld, links: link(value, lowering), y: y.at, ldy: y.ld, rows: ROWS, columns: x.columns });
    },
    backward(value, lowering) {
      const { places, list, accumulate } = lowering;
      const [x, y] = [places.of(value.x), places.of(value)];
      list.separate();
      list.emit('groupLogSumExpGradient', { x: x.at, ldx: x.ld, links: linksAt(value, lowering).links, y: y.at, ldy: y.ld, dy: y.gradient, dx: x.gradient, accumulate: accumulate(value.x), rows: ROWS, columns: x.columns });
    },
  },

  // Each worker has its own rows, and reads those of others.
  groupPairs: {
    isByColumns: () => true,
    needsAllRows: true,
    forward(value, lowering) {
      const { places, arena, list } = lowering;
      const [x, t, y] = [places.of(value.x), places.of(value.label), places.of(value)];
      list.emit('groupPairs', { x: x.at, ldx: x.ld, label: t.at, ldt: t.ld, links: link(value, lowering), counts: arena.take(`counts ${value.id}`, places.maxRows), y: y.at, ldy: y.ld, rows: ROWS });
    },
    backward(value, lowering) {
      const { places, arena, list, accumulate } = lowering;
      const [x, t, y] = [places.of(value.x), places.of(value.label), places.of(value)];
      list.separate();
      list.emit('groupPairsGradient', { x: x.at, ldx: x.ld, label: t.at, ldt: t.ld, links: linksAt(value, lowering).links, counts: arena.take(`counts ${value.id}`, places.maxRows), dy: y.gradient, ldy: y.ld, dx: x.gradient, accumulate: accumulate(value.x), rows: ROWS });
    },
  },
};
