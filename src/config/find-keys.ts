import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { experimentSchema } from './experiment.js';

/** Names of keys in other tools, without separators. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  lr: 'learningrate',
  learnrate: 'learningrate',
  bs: 'batchsize',
  wd: 'weightdecay',
  l2: 'weightdecay',
  numepochs: 'epochs',
  epoch: 'epochs',
  maxepochs: 'epochs',
  nepochs: 'epochs',
  batch: 'batchsize',
  opt: 'optimizer',
  dim: 'width',
  embeddingdim: 'width',
  embeddingsize: 'width',
  target: 'label',
  units: 'hidden',
  hiddenunits: 'hidden',
  layers: 'hidden',
};
/** Maximum number of places that a problem names. */
const MAX_PLACES = 3;
/** Shorter names are too similar to guess. */
const MIN_GUESS_LENGTH = 3;

/** Location of a key in a schema. */
interface KeyLocation {
  readonly path: readonly string[];
  /** The choice that has the key, if it is neither the data's nor the default: `name: cosine`. */
  readonly choice: Choice | undefined;
}

interface Choice {
  readonly path: readonly string[];
  readonly discriminator: string;
  readonly name: string;
}

/**
 * Finds the full paths of keys that a name may mean: `training.epochs` for `epochs`, the learning rates for `lr`.
 * Returns only keys whose path does not depend on the names of groups and tasks.
 */
export function findKeys(name: string): readonly string[] {
  return selectNearest(findKeysNamed(name, experimentSchema, undefined), []).map(({ path }) => path.join('.'));
}

/** A replacement for an unknown key. */
export interface KeyProposal {
  /** Full paths of the suggested keys. */
  readonly places?: readonly string[];
  readonly fix: string;
}

/**
 * Proposes a replacement for an unknown key: a misspelled key of the same map, an option of another choice, or the same
 * key elsewhere in the schema.
 * @param at path of the map that has the key
 * @param known keys of that map
 * @param data parsed data
 */
export function proposeKey(
  key: string,
  at: readonly string[],
  known: readonly string[],
  schema: z.core.$ZodType,
  data: unknown,
): KeyProposal | undefined {
  const here = (name: string | undefined): KeyProposal | undefined =>
    name === undefined ? undefined : { fix: `did you mean '${name}'?` };
  const near = nearest(key, known);
  const exact =
    known.find((name) => isNamed(name, key)) ?? (near !== undefined && near.edits <= 1 ? near.name : undefined);
  if (exact !== undefined) return here(exact);
  const named = findKeysNamed(key, schema, data);
  const inMap = (length: (steps: number) => boolean): readonly KeyLocation[] =>
    named.filter(({ path }) => at.every((step, i) => path[i] === step) && length(path.length - at.length));
  const below = selectNearest(
    inMap((steps) => steps > 1),
    at,
  );
  const otherChoices = inMap((steps) => steps === 1);
  if (otherChoices.length > 0) {
    const fix = `${otherChoices[0]!.choice!.discriminator}: ${formatChoiceNames(otherChoices)} has it`;
    return {
      fix: below.length > 0 ? `${toProposal(below, named).fix} ${fix}` : `${fix}; valid keys are ${known.join(', ')}`,
    };
  }
  const elsewhere = selectNearest(named, at);
  if (elsewhere.length > 0) return toProposal(elsewhere, named);
  if (near !== undefined) return here(near.name);
  const misspelled = selectNearest(findKeysNear(key, schema, data), at);
  if (misspelled.length > 0) return toProposal(misspelled, misspelled);
  return known.length > 0 ? { fix: `valid keys are ${known.join(', ')}` } : undefined;
}

/**
 * Formats a proposal.
 * @param places suggested locations
 * @param all locations of the key, which show the choices that have it
 */
function toProposal(places: readonly KeyLocation[], all: readonly KeyLocation[]): KeyProposal {
  const paths = places.map(({ path }) => path.join('.'));
  const suggestions = places.map(({ path, choice }, i) => {
    if (choice === undefined) return `'${paths[i]!}'`;
    const same = all.filter((place) => place.path.join('.') === path.join('.'));
    const owner = [...choice.path, choice.discriminator].join('.');
    return `'${paths[i]!}' (an option of ${owner}: ${formatChoiceNames(same)})`;
  });
  return { places: paths, fix: `did you mean ${suggestions.join(' or ')}?` };
}

/** Formats the names of the choices that have a key as alternatives. */
function formatChoiceNames(places: readonly KeyLocation[]): string {
  const names = [...new Set(places.flatMap(({ choice }) => choice?.name ?? []))];
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

const plain = (name: string): string => name.replace(/[-_.]/g, '').toLowerCase();
const meaning = (name: string): string => OTHER_NAMES[plain(name)] ?? plain(name);
const isNamed = (name: string, key: string): boolean => plain(name) === meaning(key);

/** Returns the nearest name, if it is near enough. */
function nearest(key: string, names: readonly string[]): { readonly name: string; readonly edits: number } | undefined {
  if (key.length < MIN_GUESS_LENGTH || key.length > 100) return undefined;
  const byEdits = names
    .filter(({ length }) => length >= MIN_GUESS_LENGTH)
    .map((name) => ({ name, edits: editsBetween(plain(key), plain(name)) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = byEdits;
  return best !== undefined && best.edits <= Math.max(1, Math.floor(Math.min(key.length, best.name.length) * 0.4))
    ? best
    : undefined;
}

/** Computes the edit distance; a transposition counts as one edit. */
function editsBetween(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const swapped = a.slice(0, at) + a.charAt(at + 1) + a.charAt(at) + a.slice(at + 2);
  return swapped === b && a !== b ? 1 : distance(a, b);
}

/** Finds every location of keys with a name. */
function findKeysNamed(name: string, schema: z.core.$ZodType, data: unknown): readonly KeyLocation[] {
  return [...listKeys(schema, [], data, undefined)].filter(({ path }) => isNamed(path.at(-1)!, name));
}

/** Finds the locations of the key nearest to a misspelled one. */
function findKeysNear(name: string, schema: z.core.$ZodType, data: unknown): readonly KeyLocation[] {
  const all = [...listKeys(schema, [], data, undefined)].filter(({ choice }) => choice === undefined);
  const best = nearest(name, [...new Set(all.map(({ path }) => path.at(-1)!))]);
  return best === undefined ? [] : all.filter(({ path }) => path.at(-1) === best.name);
}

/** Returns the distinct locations nearest to a path: those without another choice first, then the highest ones. */
function selectNearest(places: readonly KeyLocation[], at: readonly string[]): readonly KeyLocation[] {
  const shared = ({ path }: KeyLocation): number => {
    const difference = path.findIndex((step, i) => step !== at[i]);
    return difference < 0 ? path.length : difference;
  };
  const selectCheapest = (
    some: readonly KeyLocation[],
    cost: (place: KeyLocation) => number,
  ): readonly KeyLocation[] => {
    const lowest = Math.min(...some.map(cost));
    return some.filter((place) => cost(place) === lowest);
  };
  const near = selectCheapest(places, (place) => -shared(place));
  const candidates = selectCheapest(
    selectCheapest(near, ({ choice }) => (choice === undefined ? 0 : 1)),
    ({ path }) => path.length,
  );
  return [...new Map(candidates.map((place) => [place.path.join('.'), place])).values()].slice(0, MAX_PLACES);
}

/**
 * Yields every key of a schema with a known path; below a map with free names, only the names in the data. Keys that
 * require two other choices are omitted.
 */
function* listKeys(
  schema: z.core.$ZodType,
  above: readonly string[],
  data: unknown,
  choice: Choice | undefined,
): Generator<KeyLocation> {
  if (
    schema instanceof z.core.$ZodDefault ||
    schema instanceof z.core.$ZodPrefault ||
    schema instanceof z.core.$ZodOptional ||
    schema instanceof z.core.$ZodNullable
  ) {
    yield* listKeys(schema._zod.def.innerType, above, data, choice);
  } else if (schema instanceof z.core.$ZodDiscriminatedUnion) {
    yield* listChoiceKeys(schema, above, data, choice);
  } else if (schema instanceof z.core.$ZodUnion) {
    for (const option of schema._zod.def.options) yield* listKeys(option, above, data, choice);
  } else if (schema instanceof z.core.$ZodRecord) {
    for (const [name, child] of toEntries(data))
      yield* listKeys(schema._zod.def.valueType, [...above, name], child, choice);
  } else if (schema instanceof z.core.$ZodObject) {
    const values = new Map(toEntries(data));
    for (const [key, child] of Object.entries(schema._zod.def.shape)) {
      yield { path: [...above, key], choice };
      yield* listKeys(child, [...above, key], values.get(key), choice);
    }
  }
}

function* listChoiceKeys(
  { _zod: { def } }: z.core.$ZodDiscriminatedUnion,
  above: readonly string[],
  data: unknown,
  choice: Choice | undefined,
): Generator<KeyLocation> {
  const { options, discriminator } = def;
  const listChoices = (option: z.core.$ZodType): readonly unknown[] => [
    ...(option._zod.propValues?.[discriminator] ?? []),
  ];
  const chosen = typeof data === 'string' ? data : new Map(toEntries(data)).get(discriminator);
  for (const option of options) {
    const names = listChoices(option);
    if (names.includes(chosen)) yield* listKeys(option, above, data, choice);
    else if (choice === undefined)
      yield* listKeys(option, above, data, { path: above, discriminator, name: String(names[0]) });
  }
}

function toEntries(data: unknown): readonly (readonly [string, unknown])[] {
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? Object.entries(data) : [];
}
