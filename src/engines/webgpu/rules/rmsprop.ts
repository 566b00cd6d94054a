import type { Rule } from './rule.js';

/** RMSprop (Tieleman & Hinton 2012) as PyTorch has it. */
export const rmsprop: Rule = {
  unit: 'weight',
  moved: `
  let second = f(own) * s0 + f(own + 1u) * (g * g);
  let scaled = g / (sqrt(second) + f(own + 2u));
  let sum = f(own + 4u) * s1 + scaled;
  return vec3<f32>(w - f(own + 3u) * sum, second, sum);`,
};
