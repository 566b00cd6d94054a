import type { Rule } from './rule.js';

/** Stochastic gradient descent, with momentum as Sutskever et al. 2013 and PyTorch have it. */
export const sgd: Rule = {
  unit: 'weight',
  moved: `
  if (f(own + 1u) == 0.0) { return vec3<f32>(w - f(own) * g, s0, s1); }
  let sum = f(own + 1u) * s0 + g;
  return vec3<f32>(w - f(own) * (f(own + 2u) * g + f(own + 3u) * sum), sum, s1);`,
};
