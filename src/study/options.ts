import { z } from 'zod';
import { formatChoices, type ValidationIssue } from '../core/component.js';
import { ashaOptions } from './asha.js';
import { parameterOptions } from './domains/domains.js';
import { launchers } from './launchers/launchers.js';
import { searches } from './searches/searches.js';
import { buildSpace, checkSpace } from './space.js';

const path = z.string().regex(/^[^.\s=]+(\.[^.\s=]+)*$/, 'the path of a config key, such as training.batchSize');

/** Schema of a study file. */
export const studyOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a directory name of letters, digits, dots, - and _')
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
    .describe('Maximum worker crashes per trial before it fails; stopped workers do not count'),
  staleMinutes: z
    .number()
    .positive()
    .default(2)
    .describe('Minutes without a heartbeat before a worker on another machine counts as dead'),
});
export type StudyOptions = z.output<typeof studyOptions>;

/** Config keys that the study sets itself. */
const STUDY_KEYS: Readonly<Record<string, string>> = {
  seed: 'use seeds: [1, 2, 3]',
  'training.monitor': 'use metric',
};

/** Checks constraints between keys of a study. */
export function* checkStudy({
  space: specs,
  search,
  set,
  trials,
  hours,
  seeds,
}: StudyOptions): Generator<ValidationIssue> {
  const space = buildSpace(specs);
  for (const { path: issuePath, message } of checkSpace(space)) yield { path: ['space', ...issuePath], message };
  if (space.length === 0) yield { path: ['space'], message: 'expected at least one config key' };
  for (const [section, names] of [
    ['set', Object.keys(set)],
    ['space', space.flatMap(({ paths }) => paths)],
  ] as const) {
    for (const name of names.filter((one) => Object.hasOwn(STUDY_KEYS, one)))
      yield { path: [section, name], message: `the study sets this key itself; ${STUDY_KEYS[name]}` };
  }
  yield* findOverriddenKeys(
    Object.keys(set),
    space.flatMap(({ paths }) => paths),
  );
  const { needsGrid, name: method } = searches.partOf(search);
  const withoutGrid = needsGrid ? space.filter(({ domain }) => domain.grid === undefined) : [];
  for (const { name } of withoutGrid)
    yield {
      path: ['space', name],
      message: `a ${method} search requires a finite set of values; add steps: 5 or list the values`,
    };
  if (!needsGrid && trials === undefined && hours === undefined)
    yield { path: ['search'], message: `a ${method} search requires a limit; add trials: 20 or hours: 1` };
  if (Array.isArray(seeds) && new Set(seeds).size < seeds.length)
    yield { path: ['seeds'], message: 'a seed is listed twice, and its runs would be identical; remove one' };
}

/** Finds keys of `set` that a varied key, a varied section or a section that is set later would override. */
function* findOverriddenKeys(keys: readonly string[], varied: readonly string[]): Generator<ValidationIssue> {
  for (const [i, key] of keys.entries()) {
    if (varied.includes(key)) yield { path: ['set', key], message: 'the key is also in space; remove it here' };
    const section = varied.find((path) => key.startsWith(`${path}.`));
    if (section !== undefined)
      yield {
        path: ['set', key],
        message: `the section '${section}' in space overrides the key; add it to each value of the section`,
      };
    const later = keys.slice(i + 1).find((other) => key.startsWith(`${other}.`));
    if (later !== undefined)
      yield {
        path: ['set', later],
        message: `the section '${later}' overrides '${key}' above it; move it above that key`,
      };
  }
}
