import type { Rule } from './rule.js';

/** Adagrad (Duchi et al. 2011). */
export const adagrad: Rule = {
  unit: 'weight',
  moved: `
  let squares = s0 + g * g;
  return vec3<f32>(w - f(own) * g / (sqrt(squares) + f(own + 1u)), squares, s1);`,
};
