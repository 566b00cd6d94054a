import type { Rule } from './rule.js';

/** Adagrad with one element per row: the sum of the mean squares of its gradients. */
export const rowWiseAdagrad: Rule = {
  unit: 'row',
  gathered: 'return vec4<f32>(s0, s1, g * g, 0.0);',
  decided: `
  let squares = kept + sums.x / f32(count);
  return vec2<f32>(f(own) / (sqrt(squares) + f(own + 1u)), squares);`,
  moved: 'return w - size * g;',
};
