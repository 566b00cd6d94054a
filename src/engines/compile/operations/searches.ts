import type { SearchOperation, Value, ValueOf } from '../../../graph/operations.js';
import type { Lowered, Lowering } from '../lowering.js';
import { itemOffsets } from './segments.js';

// Searches in the items of a row. Workers share these calls by rows of the batch, each with all items of its rows.

/** Operations that score items for the candidate, select some, and copy those. */
export const SEARCHES: { readonly [Name in SearchOperation]: Lowered<Name> } = {
  itemProduct: {
    forward(value, lowering) {
      const [x, query] = [lowering.view(value.x), lowering.view(value.query)];
      const shared = { offsets: itemOffsets(value, lowering), rows: lowering.batch, columns: x.columns };
      lowering.list.emit('segmentDots', { ...shared, x, dy: query, dw: lowering.view(value), accumulate: 0 });
    },
    backward(value, lowering) {
      const { list, view, gradient, accumulate } = lowering;
      const d = gradient(value);
      const shared = { w: d, ldw: d.ld, offsets: itemOffsets(value, lowering), rows: lowering.batch, isMean: 0 };
      const to = (x: Value) => ({ ...shared, y: gradient(x), columns: gradient(x).columns, accumulate: accumulate(x) });
      list.emit('expand', { ...to(value.x), x: view(value.query) });
      list.emit('segmentSum', { ...to(value.query), x: view(value.x), isShared: 0 });
    },
  },

  hashMatches: {
    forward(value, lowering) {
      const { list, view, places } = lowering;
      list.emit('hashMatches', {
        x: view(value.x),
        q: view(value.query),
        p: places.vector(value.projection),
        offsets: itemOffsets(value, lowering),
        y: view(value),
        rows: lowering.batch,
        width: value.x.width,
        bits: value.projection.shape[1]!,
      });
    },
    backward: () => undefined,
  },

  selectTop: {
    forward(value, lowering) {
      const { list, view } = lowering;
      const [offsets, selected] = [itemOffsets(value.scores, lowering), itemOffsets(value, lowering)];
      list.emit('selectTop', { x: view(value.scores), offsets, selected, y: view(value), rows: lowering.batch });
    },
    backward: () => undefined,
  },

  gatherItems: {
    forward(value, lowering) {
      const [x, y] = [lowering.view(value.x), lowering.view(value)];
      lowering.list.emit('gatherItems', { ...placesOf(value, lowering), x, y });
    },
    backward(value, lowering) {
      const { list, gradient, accumulate } = lowering;
      const [x, y] = [gradient(value), gradient(value.x)];
      list.emit('scatterItems', { ...placesOf(value, lowering), x, y, accumulate: accumulate(value.x) });
    },
  },
};

/** Returns where the selected items of each row are. */
function placesOf(value: ValueOf<'gatherItems'>, lowering: Lowering) {
  return {
    p: lowering.view(value.positions),
    offsets: itemOffsets(value.x, lowering),
    selected: itemOffsets(value, lowering),
    rows: lowering.batch,
    width: value.width,
  };
}
