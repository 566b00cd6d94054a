import type { Parameter, ValueOf } from '../../../graph/operations.js';
import { cutColumns } from '../buffers.js';
import type { Lowered } from '../lowering.js';
import type { OperationPlaces, Place } from '../places.js';
import { multiplyMatrix, multiplyMatrixGradient } from './matrix-products.js';

/** Attention of a task over its own token and another's (AITM). */
export const ATTEND: Lowered<'attend'> = {
  forward(value, lowering) {
    const { places, list, view } = lowering;
    const { tokens, scores, shares } = placesOf(value, places);
    for (const { x, projections } of tokens)
      for (const { parameter, out } of projections)
        multiplyMatrix(lowering, x.value, places.matrix(parameter), 0, out.value);
    const y = view(value);
    const { columns } = y;
    const scale = 1 / Math.sqrt(value.width);
    for (const [t, { q, k }] of tokens.entries()) {
      const o = cutColumns(scores.value, t, 1);
      list.emit('dotRows', { x: q.value, y: k.value, o, columns, scale, accumulate: 0 });
    }
    list.emit('softmax', { x: scores.value, y: shares.value, width: 2, columns: shares.value.columns });
    for (const [t, { v }] of tokens.entries()) {
      const g = cutColumns(shares.value, t, 1);
      list.emit('scaleRows', { g, x: v.value, y, columns, scale: 1, accumulate: t });
    }
  },
  backward(value, lowering) {
    const { places, list, gradient, accumulate } = lowering;
    const { tokens, scores, shares } = placesOf(value, places);
    const dy = gradient(value);
    const { columns } = dy;
    for (const [t, { v }] of tokens.entries()) {
      const [g, o] = [cutColumns(shares.value, t, 1), cutColumns(shares.gradient, t, 1)];
      list.emit('dotRows', { x: dy, y: v.value, o, columns, scale: 1, accumulate: 0 });
      list.emit('scaleRows', { g, x: dy, y: v.gradient, columns, scale: 1, accumulate: 0 });
    }
    list.emit('softmaxGradient', {
      y: shares.value,
      dy: shares.gradient,
      dx: scores.gradient,
      width: 2,
      accumulate: 0,
    });
    const scale = 1 / Math.sqrt(value.width);
    for (const [t, { x, q, k, projections }] of tokens.entries()) {
      const g = cutColumns(scores.gradient, t, 1);
      list.emit('scaleRows', { g, x: k.value, y: q.gradient, columns, scale, accumulate: 0 });
      list.emit('scaleRows', { g, x: q.value, y: k.gradient, columns, scale, accumulate: 0 });
      for (const { parameter, out } of projections) {
        const [matrix, accumulateX] = [places.matrix(parameter), accumulate(value.tokens[t]!)];
        multiplyMatrixGradient(lowering, x, matrix, out.gradient, accumulateX, Math.min(t, 1));
      }
    }
  },
};

interface Token {
  readonly x: Place;
  readonly q: Place;
  readonly k: Place;
  readonly v: Place;
  readonly projections: readonly { readonly parameter: Parameter; readonly out: Place }[];
}

/** The parts of an attention. */
function placesOf(
  { id, tokens, width, rows, query, key, value }: ValueOf<'attend'>,
  places: OperationPlaces,
): { readonly scores: Place; readonly shares: Place; readonly tokens: readonly Token[] } {
  const part = (name: string, columns: number): Place => places.columns(`attend ${id} ${name}`, columns, rows);
  return {
    scores: part('scores', 2),
    shares: part('shares', 2),
    tokens: tokens.map((token, t) => {
      const [q, k, v] = [part(`query ${t}`, width), part(`key ${t}`, width), part(`value ${t}`, width)];
      const projections = [
        { parameter: query, out: q },
        { parameter: key, out: k },
        { parameter: value, out: v },
      ];
      return { x: places.of(token), q, k, v, projections };
    }),
  };
}
