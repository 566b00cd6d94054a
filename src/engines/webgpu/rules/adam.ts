import type { Rule } from './rule.js';

/** Adam (Kingma & Ba 2015), and AdamW by its last constant: the share of a weight that decays. */
export const adam: Rule = {
  unit: 'weight',
  moved: `
  let first = s0 + f(own) * (g - s0);
  let second = f(own + 1u) * s1 + f(own + 2u) * (g * g);
  let change = f(own + 3u) * first / (sqrt(second) * f(own + 4u) + f(own + 5u));
  return vec3<f32>(w * (1.0 - f(own + 6u)) - change, first, second);`,
};
