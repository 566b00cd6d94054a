import type { ItemOperation, SegmentPooling, Value, ValueOf } from '../../../graph/operations.js';
import { domainName, type Domain } from '../../../graph/domain.js';
import { hasTrainedWeights } from '../../../graph/gradient-reachability.js';
import { createView, roundUpTo4, type Ref, type View } from '../buffers.js';
import type { Lowered, Lowering } from '../lowering.js';

// Between the rows of the batch and the items of a sequence. Workers share these calls by rows of the batch, each with
// all items of its rows.

/** Returns the positions where the items of each row begin. */
export function itemOffsets({ rows }: { readonly rows: Domain }, { offsets }: Lowering): Ref {
  if (rows.kind === 'batch') throw new Error('the rows of the batch have no items');
  return offsets(rows);
}

/** Operands of a sum, or of its gradient, without weights. */
export const NO_WEIGHTS = { w: 0, ldw: 0 } as const;

/** Returns the weights of the items of a sum. */
function weightsOf(
  { weights }: ValueOf<'segmentPool'>,
  { view }: Lowering,
): { readonly w: Ref | 0; readonly ldw: number } {
  if (weights === undefined) return NO_WEIGHTS;
  const w = view(weights);
  return { w, ldw: w.ld };
}

/** Queries that kernels/attention.c computes together. */
const QUERIES = 4;

const isMean = (of: SegmentPooling): number => (of === 'mean' ? 1 : 0);

/** Operations on the items of a row, except the recurrent unit. */
export const SEGMENTS: {
  readonly [Name in Exclude<ItemOperation, 'segmentGru'>]: Lowered<Name>;
} = {
  expand: {
    forward(value, lowering) {
      const [x, y, offsets] = [lowering.view(value.x), lowering.view(value), itemOffsets(value, lowering)];
      const { columns } = y;
      lowering.list.emit('expand', {
        x,
        ...NO_WEIGHTS,
        offsets,
        y,
        rows: lowering.batch,
        columns,
        isMean: 0,
        accumulate: 0,
      });
    },
    backward(value, lowering) {
      const { list, gradient, accumulate } = lowering;
      const [x, y, offsets] = [gradient(value), gradient(value.x), itemOffsets(value, lowering)];
      const shared = { offsets, rows: lowering.batch, columns: y.columns, isMean: 0, accumulate: accumulate(value.x) };
      list.emit('segmentSum', { ...shared, x, y, ...NO_WEIGHTS, isShared: 0 });
    },
  },

  segmentPool: {
    forward(value, lowering) {
      const { list, view } = lowering;
      const [y, offsets] = [view(value), itemOffsets(value.x, lowering)];
      const shared = { offsets, y, rows: lowering.batch, columns: y.columns };
      if (value.of === 'max') {
        list.emit('segmentMax', { ...shared, x: view(value.x) });
        return;
      }
      const summed = { ...lowering.itemsOf(value.x), ...weightsOf(value, lowering) };
      list.emit('segmentSum', { ...shared, ...summed, isMean: isMean(value.of), accumulate: 0 });
    },
    backward(value, lowering) {
      const { list, view, gradient, accumulate } = lowering;
      const [dy, dx, offsets] = [gradient(value), gradient(value.x), itemOffsets(value.x, lowering)];
      const shared = { offsets, rows: lowering.batch, accumulate: accumulate(value.x) };
      const { columns } = dx;
      if (value.of === 'max') {
        const { width } = value;
        list.emit('segmentMaxGradient', { ...shared, x: view(value.x), y: view(value), dy, dx, width });
        return;
      }
      list.emit('expand', {
        ...shared,
        x: dy,
        ...weightsOf(value, lowering),
        y: dx,
        columns,
        isMean: isMean(value.of),
      });
      if (!hasTrainedWeights(value)) return;
      const weights = value.weights!;
      const accumulated = accumulate(weights);
      list.emit('segmentDots', {
        ...shared,
        x: view(value.x),
        dy,
        dw: gradient(weights),
        columns: dy.columns,
        accumulate: accumulated,
      });
    },
  },

  segmentSoftmax: {
    forward(value, lowering) {
      const [x, y, offsets] = [lowering.view(value.x), lowering.view(value), itemOffsets(value, lowering)];
      lowering.list.emit('segmentSoftmax', { x, offsets, y, rows: lowering.batch, columns: y.columns });
    },
    backward(value, lowering) {
      const { list, view, gradient, accumulate } = lowering;
      const [y, dy, dx] = [view(value), gradient(value), gradient(value.x)];
      const shared = { offsets: itemOffsets(value, lowering), rows: lowering.batch, columns: dx.columns };
      list.emit('segmentSoftmaxGradient', { ...shared, y, dy, dx, accumulate: accumulate(value.x) });
    },
  },

  segmentAttention: {
    forward(value, lowering) {
      lowering.list.emit('segmentAttention', { ...attended(value, lowering), y: lowering.view(value) });
    },
    backward(value, lowering) {
      const { list, view, gradient, accumulate } = lowering;
      const [dquery, dkey, dvalue] = [gradient(value.query), gradient(value.key), gradient(value.value)];
      const added = accumulate(value.query) + 2 * accumulate(value.key) + 4 * accumulate(value.value);
      const [y, dy] = [view(value), gradient(value)];
      const gradients = { y, dy, dquery, dkey, dvalue, accumulate: added };
      const biases = biasGradients(value, lowering);
      const dbias = biases === undefined ? { dbias: 0 as const, lddbias: 0 } : { dbias: biases };
      list.emit('segmentAttentionGradient', { ...attended(value, lowering), ...gradients, ...dbias });
      if (biases === undefined) return;
      const g = lowering.weightGradient(lowering.places.vector(value.bias!));
      list.emit('columnSums', { d: biases, g, columns: biases.columns, accumulate: 0 });
    },
  },

  shift: {
    forward(value, lowering) {
      move(value.x, lowering.view(value.x), lowering.view(value), value.by, 0, lowering);
    },
    backward(value, lowering) {
      const { gradient, accumulate } = lowering;
      move(value.x, gradient(value), gradient(value.x), -value.by, accumulate(value.x), lowering);
    },
  },

  itemPosition: {
    forward(value, lowering) {
      const [y, offsets] = [lowering.view(value), itemOffsets(value, lowering)];
      lowering.list.emit('itemPosition', { offsets, y, rows: lowering.batch });
    },
    backward: () => undefined,
  },
};

/** Emits y (+)= x moved by some places within each row. */
function move(
  of: Value,
  x: ReturnType<Lowering['view']>,
  y: ReturnType<Lowering['view']>,
  by: number,
  accumulate: number,
  lowering: Lowering,
): void {
  const offsets = itemOffsets(of, lowering);
  lowering.list.emit('shiftItems', { x, offsets, y, rows: lowering.batch, columns: y.columns, by, accumulate });
}

/** Returns what both kernels of an attention read, and the memory that they work in. */
function attended(of: ValueOf<'segmentAttention'>, lowering: Lowering) {
  const { id, rows, width, heads } = of;
  const { view, buffers } = lowering;
  const headWidth = width / heads;
  return {
    query: view(of.query),
    key: view(of.key),
    value: view(of.value),
    offsets: itemOffsets(of, lowering),
    statistics: buffers.take(`statistics of attention ${id}`, 'scratch', rows, 2 * heads),
    work: buffers.take(`attention ${domainName(rows)} ${headWidth}`, 'scratch', rows, 2 * headWidth + 2 * QUERIES),
    rows: lowering.batch,
    width,
    heads,
    isCausal: Number(of.isCausal),
    isPointwise: Number(of.isPointwise),
    bias: of.bias === undefined ? (0 as const) : lowering.places.vector(of.bias),
    distances: of.distances,
    octaves: of.octaves,
    ...(of.ages === undefined ? { ages: 0 as const, ldages: 0 } : { ages: view(of.ages) }),
  };
}

/** Returns the gradients of an attention's biases for each row of the batch, if it has biases. */
function biasGradients({ id, bias }: ValueOf<'segmentAttention'>, { buffers, batch }: Lowering): View | undefined {
  if (bias === undefined) return undefined;
  const [count] = bias.shape as [number];
  const ld = roundUpTo4(count);
  return createView(buffers.take(`d biases ${id}`, 'scratch', batch, ld), ld, count);
}
