import type { ValueOf } from '../../graph/operations.js';
import { ROWS } from './call-list.js';
import type { Lowered } from './lowering.js';
import { multiplyMatrix, multiplyMatrixGradient } from './matrix-products.js';
import type { Place, Places } from './places.js';

/** Attention of a task over its own token and another's (AITM), forward and backward. */
export const ATTEND: Lowered<'attend'> = {
  forward(value, lowering) {
    const { places, list } = lowering;
    const { tokens, scores, shares } = attention(value, places);
    for (const { x, q, k, v } of tokens) {
      for (const [parameter, out] of [
        [value.query, q],
        [value.key, k],
        [value.value, v],
      ] as const)
        multiplyMatrix(lowering, x, places.matrix(parameter), 0, out);
    }
    const y = places.of(value);
    tokens.forEach(({ q, k }, t) =>
      list.emit('dotRows', {
        x: q.at,
        ldx: q.ld,
        y: k.at,
        ldy: k.ld,
        o: scores.at + t * 4,
        ldo: scores.ld,
        rows: ROWS,
        columns: y.columns,
        scale: 1 / Math.sqrt(value.width),
        accumulate: 0,
      }),
    );
    list.emit('softmax', {
      x: scores.at,
      ldx: scores.ld,
      y: shares.at,
      ldy: shares.ld,
      rows: ROWS,
      width: 2,
      columns: shares.columns,
    });
    tokens.forEach(({ v }, t) =>
      list.emit('scaleRows', {
        g: shares.at + t * 4,
        ldg: shares.ld,
        x: v.at,
        ldx: v.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        columns: y.columns,
        scale: 1,
        accumulate: t,
      }),
    );
  },
  backward(value, lowering) {
    const { places, list, accumulate } = lowering;
    const { tokens, scores, shares } = attention(value, places);
    const y = places.of(value);
    tokens.forEach(({ v }, t) => {
      list.emit('dotRows', {
        x: y.gradient,
        ldx: y.ld,
        y: v.at,
        ldy: v.ld,
        o: shares.gradient + t * 4,
        ldo: shares.ld,
        rows: ROWS,
        columns: y.columns,
        scale: 1,
        accumulate: 0,
      });
      list.emit('scaleRows', {
        g: shares.at + t * 4,
        ldg: shares.ld,
        x: y.gradient,
        ldx: y.ld,
        y: v.gradient,
        ldy: v.ld,
        rows: ROWS,
        columns: y.columns,
        scale: 1,
        accumulate: 0,
      });
    });
    list.emit('softmaxGradient', {
      y: shares.at,
      ldy: shares.ld,
      dy: shares.gradient,
      dx: scores.gradient,
      ldx: scores.ld,
      rows: ROWS,
      width: 2,
      accumulate: 0,
    });
    const scale = 1 / Math.sqrt(value.width);
    tokens.forEach(({ x, q, k, v }, t) => {
      list.emit('scaleRows', {
        g: scores.gradient + t * 4,
        ldg: scores.ld,
        x: k.at,
        ldx: k.ld,
        y: q.gradient,
        ldy: q.ld,
        rows: ROWS,
        columns: y.columns,
        scale,
        accumulate: 0,
      });
      list.emit('scaleRows', {
        g: scores.gradient + t * 4,
        ldg: scores.ld,
        x: q.at,
        ldx: q.ld,
        y: k.gradient,
        ldy: k.ld,
        rows: ROWS,
        columns: y.columns,
        scale,
        accumulate: 0,
      });
      for (const [parameter, out] of [
        [value.query, q],
        [value.key, k],
        [value.value, v],
      ] as const) {
        multiplyMatrixGradient(
          lowering,
          x,
          places.matrix(parameter),
          out,
          accumulate(value.tokens[t]!),
          Math.min(t, 1),
        );
      }
    });
  },
};

/** Places of an attention's parts. */
function attention({ id, tokens, width }: ValueOf<'attend'>, places: Places) {
  const part = (name: string, columns: number): Place => places.columns(`${id} ${name}`, columns);
  return {
    scores: part('scores', 2),
    shares: part('shares', 2),
    tokens: tokens.map((token, t) => ({
      x: places.of(token),
      q: part(`query ${t}`, width),
      k: part(`key ${t}`, width),
      v: part(`value ${t}`, width),
    })),
  };
}
