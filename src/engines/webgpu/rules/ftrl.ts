import type { Rule } from './rule.js';

/** FTRL-proximal (McMahan et al. 2013, algorithm 1). The rule divides by the learning rate; at 0 nothing may change. */
export const ftrl: Rule = {
  unit: 'weight',
  moved: `
  let rate = f(own);
  if (rate == 0.0) { return vec3<f32>(w, s0, s1); }
  let squares = s1 + g * g;
  let z = s0 + g - (sqrt(squares) - sqrt(s1)) / rate * w;
  let near = select(f(own + 2u), -f(own + 2u), z < 0.0);
  let moved = (near - z) / ((f(own + 1u) + sqrt(squares)) / rate + f(own + 3u));
  return vec3<f32>(select(0.0, moved, abs(z) > f(own + 2u)), z, squares);`,
};
