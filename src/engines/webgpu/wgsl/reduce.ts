import { createCall, type ExpandedKernel, type Named, type OwnKernel } from '../kernel.js';
import { WORD } from '../../compile/buffers.js';
import { THREADS } from './prelude.js';

/** Elements of a range: `count`, or as many per distinct row if the number of rows is at `countAt`. */
const SIZE = 'var size = $count; if ($countAt != NONE) { size *= m[$countAt]; }';
const overNumbers = (count: string, body: string): string => `
  for (var i = group * ${THREADS}u + lane; i < ${count}; i += groups * ${THREADS}u) { ${body} }`;
/** Maximum number of threads for a range: its number of rows may be unknown before there is a batch. */
const MAX_THREADS = 1 << 16;
const forRange: OwnKernel['threads'] = ({ of }) =>
  of('countAt') === 0 ? Math.min(of('count'), MAX_THREADS) : MAX_THREADS;

/** Kernels between the backward pass and the update. */
const KERNELS = {
  accumulate: {
    form: 'own',
    threads: ({ of }) => Math.min(of('count'), MAX_THREADS),
    body: overNumbers('$count', 'add($total + i, f($g + i), 1u - m[$fresh]);'),
  },

  // One workgroup per pair of areas; the products are words 0, 2, 4 … of `out`.
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

  // If a loss is not finite, neither is the mean.
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

/** Refuses the step if a gradient of a range is not finite, in any area. */
const WATCH_RANGE = {
  name: 'watchRange',
  names: ['g', 'areaBytes', 'areas', 'count', 'countAt'],
  kernel: {
    form: 'own',
    threads: forRange,
    body: `
  ${SIZE}
  for (var area = 0u; area < $areas; area++) { ${overNumbers('size', 'watch(f($g + area * $areaBytes + i));')} }`,
  },
} as const satisfies Named;

/** Watches the gradients of all backward passes of a list at its end. */
const REFUSE: ExpandedKernel = {
  form: 'expanded',
  kernels: [WATCH_RANGE],
  expand(_, { compiled, areas, isLast }) {
    if (!isLast) return {};
    const { passGradients, places, tables } = compiled;
    const ranges = [
      { ...passGradients, count: places.weightsCount, countAt: 0 as const },
      ...tables.trained.map(({ gradients: at, areaWords, width: count, count: countAt }) => ({
        at,
        areaWords,
        count,
        countAt,
      })),
    ];
    return {
      last: ranges.map(({ at: g, areaWords, count, countAt }) =>
        createCall(WATCH_RANGE, { g, areaBytes: areaWords * WORD, areas, count, countAt }),
      ),
    };
  },
};

export const REDUCE_KERNELS = { ...KERNELS, refuseUnlessFinite: REFUSE };
