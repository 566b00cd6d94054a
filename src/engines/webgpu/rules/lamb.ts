import type { Rule } from './rule.js';

/** LAMB (You et al. 2020, algorithm 2): Adam's step with decay, scaled to the norm of the weights. */
export const lamb: Rule = {
  unit: 'tensor',
  declares: `fn stepOf(first: f32, second: f32, w: f32, own: u32) -> f32 {
  return first * f(own + 3u) / (sqrt(second) * f(own + 4u) + f(own + 5u)) + f(own + 6u) * w;
}`,
  gathered: `
  let first = s0 + f(own) * (g - s0);
  let second = f(own + 1u) * s1 + f(own + 2u) * (g * g);
  let s = stepOf(first, second, w, own);
  return vec4<f32>(first, second, w * w, s * s);`,
  decided:
    'return vec2<f32>(f(own + 7u) * select(1.0, sqrt(sums.x) / sqrt(sums.y), sums.x > 0.0 && sums.y > 0.0), kept);',
  moved: 'return w - size * stepOf(s0, s1, w, own);',
};
