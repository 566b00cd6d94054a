/** A key or a value of an earlier version, and what replaces it. */
export interface Rename {
  /** Path of the map that has the key; `*` stands for any one step. */
  readonly map: string;
  readonly from: string;
  readonly to: string;
  /** Old values, as JSON, and the new ones; other values stay. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** In the order in which they apply: a rename below a map follows the rename of the map. */
export const CONFIG_RENAMES: readonly Rename[] = [
  { map: '', from: 'track', to: 'loggers' },
  { map: 'data', from: 'blank', to: 'nullValues' },
  { map: 'data', from: 'sampling', to: 'negativeSampling' },
  { map: 'data.negativeSampling', from: 'negatives', to: 'rate' },
  { map: 'data.split', from: 'by', to: 'by', values: { '"share"': 'random' } },
  { map: 'features.*', from: 'blank', to: 'nullValues' },
  { map: 'features.*', from: 'missing', to: 'fillMissing' },
  { map: 'features.*.fields.*', from: 'blank', to: 'nullValues' },
  { map: 'features.*.fields.*', from: 'missing', to: 'fillMissing' },
  { map: 'tasks.*', from: 'missing', to: 'onMissing' },
  { map: 'model', from: 'globalWeight', to: 'entireSpaceWeight' },
  { map: 'model', from: 'jointly', to: 'jointTraining' },
  { map: 'model', from: 'native', to: 'residualExperts' },
  { map: 'model.bottom', from: 'native', to: 'residualExperts' },
  { map: 'training', from: 'accumulate', to: 'accumulateBatches' },
  { map: 'training', from: 'average', to: 'ema' },
  { map: 'training', from: 'batchNorm', to: 'syncBatchNorm', values: { '"global"': true, '"local"': false } },
  { map: 'training', from: 'dealtRows', to: 'shardTablesFrom' },
  { map: 'training', from: 'firstBias', to: 'biasInit', values: { '"labels"': 'prior', '"drawn"': 'random' } },
  { map: 'training', from: 'termWeights', to: 'lossWeights' },
  { map: 'training', from: 'weighting', to: 'lossWeighting' },
  { map: 'training.lossWeighting', from: 'firstLogVariance', to: 'initLogVariance' },
  { map: 'training.lossWeighting', from: 'firstSteps', to: 'baselineSteps' },
  { map: 'training.clip', from: 'apart', to: 'separate' },
  { map: 'training.schedule', from: 'embeddingsFactor', to: 'embeddingScale' },
  { map: 'training.schedule', from: 'firstFactor', to: 'startFactor' },
  { map: 'training.schedule', from: 'lastFactor', to: 'finalFactor' },
  { map: 'training.schedule', from: 'rise', to: 'warmupShare' },
  { map: 'training.schedule', from: 'shape', to: 'annealStrategy' },
  { map: 'training.schedule', from: 'threePhases', to: 'threePhase' },
  { map: 'training.schedule.restarts', from: 'stretch', to: 'tMult' },
  { map: 'training.schedule.warmup', from: 'firstFactor', to: 'startFactor' },
  { map: 'evaluation', from: 'by', to: 'segmentBy' },
  { map: 'evaluation.metrics.*', from: 'alike', to: 'binning', values: { '"rows"': 'quantile', '"width"': 'uniform' } },
  { map: 'evaluation.metrics.*', from: 'by', to: 'groupBy' },
  { map: 'evaluation.metrics.*', from: 'interval', to: 'confidence' },
  { map: 'calibration', from: 'spaces', to: 'outputs' },
  { map: 'checkpoints', from: 'alsoBest', to: 'bestBy' },
  { map: 'initFrom', from: 'dropped', to: 'staleTokens', values: { '"drop"': 'evict' } },
  { map: 'initFrom', from: 'take', to: 'include' },
];

/** The same for the keys of a study's file. */
export const STUDY_RENAMES: readonly Rename[] = [
  { map: '', from: 'attempts', to: 'maxAttempts' },
  { map: 'asha', from: 'factor', to: 'reductionFactor' },
  { map: 'asha', from: 'firstRung', to: 'minEpochs' },
  { map: 'launcher', from: 'returns', to: 'detaches' },
  { map: 'space.*', from: 'also', to: 'linkedKeys' },
];

/**
 * Finds what replaces a key of an earlier version.
 * @param path of the map that has the key
 * @param value of the key
 * @returns the current key, and the current value if that is renamed too
 */
export function findRenamedKey(
  renames: readonly Rename[],
  path: readonly PropertyKey[],
  key: string,
  value: unknown,
): { readonly key: string; readonly value: unknown } | undefined {
  const found = renames.find(({ map, from, to }) => from === key && to !== key && matches(map, path));
  return found && { key: found.to, value: renamedValue(found, value) };
}

/**
 * Returns the current value for one of an earlier version, undefined if there is none.
 * @param path of the value
 */
export function findRenamedValue(renames: readonly Rename[], path: readonly PropertyKey[], value: unknown): unknown {
  const found = renames.find(({ map, to, values }) => {
    return to === String(path.at(-1)) && values !== undefined && matches(map, path.slice(0, -1));
  });
  return found && renamedValue(found, value);
}

/** Renames, in place, the keys and values of earlier versions in a stored config or study. */
export function applyRenames(renames: readonly Rename[], stored: unknown): void {
  for (const rename of renames) {
    const { map, from, to } = rename;
    for (const holder of findMaps(stored, splitPath(map))) {
      if (!Object.hasOwn(holder, from) || (to !== from && Object.hasOwn(holder, to))) continue;
      const value = holder[from];
      if (to !== from) Reflect.deleteProperty(holder, from);
      holder[to] = renamedValue(rename, value) ?? value;
    }
  }
}

function renamedValue({ values = {} }: Rename, value: unknown): unknown {
  const json = JSON.stringify(value);
  return Object.hasOwn(values, json) ? values[json] : undefined;
}

const splitPath = (map: string): readonly string[] => (map === '' ? [] : map.split('.'));

function matches(map: string, path: readonly PropertyKey[]): boolean {
  const steps = splitPath(map);
  return steps.length === path.length && steps.every((step, i) => step === '*' || step === String(path[i]));
}

/** Every map at a path below a value. */
function findMaps(value: unknown, [step, ...others]: readonly string[]): readonly Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  if (step === undefined) return Array.isArray(value) ? [] : [value as Record<string, unknown>];
  const below: readonly unknown[] =
    step === '*' ? Object.values(value) : Object.hasOwn(value, step) ? [(value as Record<string, unknown>)[step]] : [];
  return below.flatMap((each) => findMaps(each, others));
}
