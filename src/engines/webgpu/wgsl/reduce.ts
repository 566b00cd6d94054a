import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

/** Numbers of a range: `count`, or as many for each distinct row where their number lies at `countAt`. */
const SIZE = 'var size = $count; if ($countAt != NONE) { size *= m[$countAt]; }';
const overNumbers = (count: string, body: string): string => `
  for (var i = group * ${THREADS}u + lane; i < ${count}; i += groups * ${THREADS}u) { ${body} }`;
/** Threads for all numbers of a range whose number of rows is not known before there is a batch: they take turns. */
const MAX_THREADS = 1 << 16;
const forRange: OwnKernel['threads'] = ({ of }) =>
  of('countAt') === 0 ? Math.min(of('count'), MAX_THREADS) : MAX_THREADS;

/** Between the way back and the update. */
export const REDUCE_KERNELS = {
  accumulate: {
    form: 'own',
    threads: ({ of }) => Math.min(of('count'), MAX_THREADS),
    body: overNumbers('$count', 'add($total + i, f($g + i), 1u - m[$fresh]);'),
  },

  // A workgroup a pair of areas; the products are words 0, 2, 4 … of `out`.
  products: {
    form: 'own',
    threads: ({ of }) => ((of('areas') * (of('areas') + 1)) / 2) * THREADS,
    body: `
  if (group >= $areas * ($areas + 1u) / 2u) { return; }
  var first = 0u; var second = group;
  while (second >= $areas - first) { second -= $areas - first; first++; }
  second += first;
  ${SIZE}
  var total = 0.0; var some = 0.0; var n = 0u;
  for (var i = lane; i < size; i += ${THREADS}u) {
    some += f($g + first * $areaBytes + i) * f($g + second * $areaBytes + i);
    n++;
    if ((n & 31u) == 0u) { total += some; some = 0.0; }
  }
  let sum = overAll(total + some, lane);
  if (lane == 0u) { put($out + group * 2u, sum); }`,
  },

  combine: {
    form: 'own',
    threads: forRange,
    body: `
  ${SIZE}
  ${overNumbers(
    'size',
    `
    var sum = 0.0;
    for (var area = 0u; area < $areas; area++) { sum += f($weights + area) * f($g + area * $areaBytes + i); }
    put($g + i, sum);`,
  )}`,
  },

  clipNorm: {
    form: 'own',
    threads: () => THREADS,
    body: `
  if (group > 0u) { return; }
  var square = 0.0;
  for (var i = lane; i < $count; i += ${THREADS}u) { square += f($sums + i * 2u); }
  let all = overAll(square, lane);
  if (lane == 0u) {
    let root = sqrt(all);
    put($norm, root);
    let factor = select(1.0, $most / root, root > $most);
    put($scale, factor);
    put($otherScale, factor);
  }`,
  },

  averageWeights: {
    form: 'own',
    threads: ({ of }) => Math.min(of('count'), MAX_THREADS),
    body: `
  if (isRefused()) { return; }
  let share = shareLeft(f($clock), m[$clock + 2u], m[$clock + 2u] + 1u);
  ${overNumbers('$count', 'let weight = f($w + i); put($average + i, weight + share * (f($average + i) - weight));')}`,
  },

  exchangeWeights: {
    form: 'own',
    threads: ({ of }) => Math.min(of('count'), MAX_THREADS),
    body: overNumbers('$count', 'let weight = m[$w + i]; m[$w + i] = m[$average + i]; m[$average + i] = weight;'),
  },

  // Of losses exactly then their mean is not finite.
  checkFinite: {
    form: 'own',
    writes: [],
    threads: ({ of }) => Math.min(of('count'), MAX_THREADS),
    body: overNumbers('$count', 'if ((m[$numbers + i] & 0x7f800000u) == 0x7f800000u) { atomicMax(&flags[0], 1u); }'),
  },

  watchAll: {
    form: 'own',
    threads: ({ of }) => Math.min(of('count'), MAX_THREADS),
    body: overNumbers('$count', 'watch(f($numbers + i));'),
  },
} as const satisfies Readonly<Record<string, OwnKernel>>;

/** Looks at the gradients of a range, in all areas. */
export const WATCH_ARGUMENTS = ['g', 'areaBytes', 'areas', 'count', 'countAt'] as const;
export const WATCH_RANGE: OwnKernel = {
  form: 'own',
  threads: forRange,
  body: `
  ${SIZE}
  for (var area = 0u; area < $areas; area++) { ${overNumbers('size', 'watch(f($g + area * $areaBytes + i));')} }`,
};
