import { z } from 'zod';
import { experimentSchema } from './experiment.js';

/** What other tools call keys, without the marks between words. */
const OTHER_NAMES: Readonly<Record<string, string>> = { lr: 'learningrate', bs: 'batchsize', wd: 'weightdecay', numepochs: 'epochs', epoch: 'epochs', maxepochs: 'epochs', batch: 'batchsize', opt: 'optimizer' };
/** Keys that are told where several have the name. */
const MOST_TOLD = 3;

/**
 * The keys of a config that a name may mean, in full: `training.epochs` for `epochs`, the learning rates for `lr`. Only those whose place does not
 * depend on what a user calls things.
 */
export function findKeys(name: string): readonly string[] {
  const wanted = plain(name);
  const meant = OTHER_NAMES[wanted] ?? wanted;
  const among = (which: 'defaults' | 'all'): readonly string[] => [...pathsOf(experimentSchema, [], which)].filter((path) => plain(path.at(-1)!) === meant).map((path) => path.join('.'));
  const byDefault = among('defaults');
  const found = byDefault.length > 0 ? byDefault : among('all');
  // Those that stand highest are meant most.
  const depth = Math.min(...found.map((path) => path.split('.').length));
  return [...new Set(found.filter((path) => path.split('.').length === depth))].slice(0, MOST_TOLD);
}

const plain = (name: string): string => name.replace(/[-_.]/g, '').toLowerCase();

/** Every key below a schema that has a fixed place; of a choice by name those of its default, or of all that may be chosen. */
function* pathsOf(schema: z.core.$ZodType, above: readonly string[], which: 'defaults' | 'all'): Generator<readonly string[]> {
  if (schema instanceof z.core.$ZodDefault || schema instanceof z.core.$ZodPrefault || schema instanceof z.core.$ZodOptional || schema instanceof z.core.$ZodNullable) {
    yield* pathsOf(schema._zod.def.innerType, above, which);
  } else if (schema instanceof z.core.$ZodDiscriminatedUnion) {
    const { options, discriminator } = schema._zod.def;
    const byDefault = options.filter((option) => option._zod.propValues?.[discriminator]?.has(undefined) === true);
    for (const option of which === 'defaults' ? byDefault : options) yield* pathsOf(option, above, which);
  } else if (schema instanceof z.core.$ZodUnion) {
    for (const option of schema._zod.def.options) yield* pathsOf(option, above, which);
  } else if (schema instanceof z.core.$ZodObject) {
    for (const [key, child] of Object.entries(schema._zod.def.shape)) {
      yield [...above, key];
      yield* pathsOf(child, [...above, key], which);
    }
  }
}
