import { z } from 'zod';
import { formatChoices, type ValidationIssue } from '../core/component.js';
import { ashaOptions } from './asha.js';
import { parameterOptions } from './domains/domains.js';
import { launchers } from './launchers/launchers.js';
import { searches } from './searches/searches.js';
import { buildSpace, checkSpace } from './space.js';

const path = z.string().regex(/^[^.\s=]+(\.[^.\s=]+)*$/, 'the path of a key of the config, as in training.batchSize');

/** The whole of a study's YAML. */
export const studyOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name for a folder: letters, digits, dots, - and _')
    .describe('Name of the study directory below runs/studies; default: name of the study file'),
  $schema: z.string().optional().describe('JSON Schema for editors; ignored by mtl'),
  config: z.string().min(1).describe('Base config, relative to this file'),
  metric: z
    .string()
    .min(1)
    .describe('Validation metric or weighted sum to optimize, as in ctcvr.auc; sets training.monitor'),
  set: z.record(path, z.unknown()).default({}).describe('Config keys with the same value in all trials'),
  space: z.record(path, parameterOptions).describe('Config keys to search over'),
  search: formatChoices(searches.schema, searches.names).prefault({}).describe('Search algorithm'),
  asha: ashaOptions.optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe('Random seed of the search'),
  seeds: z
    .union([
      z.int().min(1).max(1000),
      z
        .array(
          z
            .int()
            .min(0)
            .max(2 ** 32 - 1),
        )
        .min(1),
    ])
    .default(1)
    .describe('Runs per trial, averaged: a count of consecutive seeds, or a list'),
  trials: z.int().min(1).max(100_000).optional().describe('Maximum number of trials'),
  hours: z.number().positive().optional().describe('Maximum hours after the first trial in which new trials start'),
  parallel: z.int().min(1).max(10_000).default(1).describe('Number of workers'),
  launcher: formatChoices(launchers.schema, launchers.names).prefault({}).describe('Launcher that starts workers'),
  maxAttempts: z
    .int()
    .min(1)
    .max(999)
    .default(5)
    .describe('Maximum worker crashes per trial before it fails; workers told to stop do not count'),
  staleMinutes: z
    .number()
    .positive()
    .default(2)
    .describe('Minutes without a heartbeat before a worker on another machine counts as dead'),
});
export type StudyOptions = z.output<typeof studyOptions>;

/** Keys that are set by the study itself. */
const OWN: Readonly<Record<string, string>> = {
  seed: 'write seeds: [1, 2, 3] in place of it',
  'training.monitor': 'write metric: in place of it',
};

/** What no key of a study can know alone. */
export function* checkStudy({
  space: specs,
  search,
  set,
  trials,
  hours,
  seeds,
}: StudyOptions): Generator<ValidationIssue> {
  const space = buildSpace(specs);
  for (const { path: at, message } of checkSpace(space)) yield { path: ['space', ...at], message };
  if (space.length === 0) yield { path: ['space'], message: 'expected at least one key of the config' };
  for (const [section, names] of [
    ['set', Object.keys(set)],
    ['space', space.flatMap(({ paths }) => paths)],
  ] as const) {
    for (const name of names.filter((one) => Object.hasOwn(OWN, one)))
      yield { path: [section, name], message: `is set by the study; ${OWN[name]}` };
  }
  yield* lostKeys(
    Object.keys(set),
    space.flatMap(({ paths }) => paths),
  );
  const { needsGrid, name: method } = searches.partOf(search);
  const endless = needsGrid ? space.filter(({ domain }) => domain.grid === undefined) : [];
  for (const { name } of endless)
    yield {
      path: ['space', name],
      message: `a ${method} needs to know which values to take; give it steps: 5, or list values`,
    };
  if (!needsGrid && trials === undefined && hours === undefined)
    yield { path: ['search'], message: `a search by ${method} has no end of its own; write trials: 20, or hours: 1` };
  if (Array.isArray(seeds) && new Set(seeds).size < seeds.length)
    yield { path: ['seeds'], message: 'one stands there twice, and its runs would be the same' };
}

/**
 * Keys of `set` that would be taken away again: by one that is varied, or by a whole section that is set later or
 * varied.
 */
function* lostKeys(keys: readonly string[], varied: readonly string[]): Generator<ValidationIssue> {
  for (const [i, key] of keys.entries()) {
    if (varied.includes(key)) yield { path: ['set', key], message: 'is varied below space; leave it out here' };
    const section = varied.find((path) => key.startsWith(`${path}.`));
    if (section !== undefined)
      yield {
        path: ['set', key],
        message: `is lost where '${section}' is varied whole below space; write it into each of its values`,
      };
    const later = keys.slice(i + 1).find((other) => key.startsWith(`${other}.`));
    if (later !== undefined)
      yield {
        path: ['set', later],
        message: `sets '${later}' whole, and with it '${key}' again; let it stand above that key`,
      };
  }
}
