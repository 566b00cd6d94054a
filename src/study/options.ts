import { z } from 'zod';
import { orName, type Finding } from '../part.js';
import { ashaOptions } from './asha.js';
import { parameterOptions } from './domains/domains.js';
import { launchers } from './launchers/launchers.js';
import { searches } from './searches/searches.js';
import { buildSpace, checkSpace } from './space.js';

const path = z.string().regex(/^[^.\s=]+(\.[^.\s=]+)*$/, 'the path of a key of the config, as in training.batchSize');

/** The whole of a study's YAML. */
export const studyOptions = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name for a folder: letters, digits, dots, - and _').describe('name of the directory of the study below runs/studies; default: the file name'),
  $schema: z.string().optional().describe('where an editor finds the schema of this file; mtl does not read it'),
  config: z.string().min(1).describe('the config that is varied, from the folder of this file'),
  metric: z.string().min(1).describe("what is searched for on valid, as in ctcvr.auc or a weighted sum; it is every trial's training.monitor, too"),
  set: z.record(path, z.unknown()).default({}).describe('keys of the config that are the same in all trials'),
  space: z.record(path, parameterOptions).describe('keys of the config that are varied'),
  search: orName(searches.schema, searches.names).prefault({}).describe('how points of the space are chosen'),
  asha: ashaOptions.optional(),
  seed: z.int().min(0).max(2 ** 32 - 1).default(0).describe('decides what a search draws'),
  seeds: z
    .union([z.int().min(1).max(1000), z.array(z.int().min(0).max(2 ** 32 - 1)).min(1)])
    .default(1)
    .describe("runs of a trial, of which the mean counts: so many from the config's seed on, or a list of seeds"),
  trials: z.int().min(1).max(100_000).optional().describe('no trial is begun beyond so many'),
  hours: z.number().positive().optional().describe('no trial is begun later than so long after the first'),
  parallel: z.int().min(1).max(10_000).default(1).describe('workers'),
  launcher: orName(launchers.schema, launchers.names).prefault({}).describe('where workers are started'),
  attempts: z.int().min(1).max(999).default(5).describe('a trial whose workers died so often without a word has failed; those that were told to end do not count'),
  staleMinutes: z.number().positive().default(2).describe('a worker of another machine that says nothing for so long is dead'),
});
export type StudyOptions = z.output<typeof studyOptions>;

/** Keys that are set by the study itself. */
const OWN: Readonly<Record<string, string>> = { seed: 'write seeds: [1, 2, 3] in place of it', 'training.monitor': 'write metric: in place of it' };

/** What no key of a study can know alone. */
export function* checkStudy({ space: specs, search, set, trials, hours, seeds }: StudyOptions): Generator<Finding> {
  const space = buildSpace(specs);
  for (const { path: at, message } of checkSpace(space)) yield { path: ['space', ...at], message };
  if (space.length === 0) yield { path: ['space'], message: 'expected at least one key of the config' };
  for (const [section, names] of [['set', Object.keys(set)], ['space', space.flatMap(({ paths }) => paths)]] as const) {
    for (const name of names.filter((one) => Object.hasOwn(OWN, one))) yield { path: [section, name], message: `is set by the study; ${OWN[name]}` };
  }
  yield* lostKeys(Object.keys(set), space.flatMap(({ paths }) => paths));
  const { needsGrid, name: method } = searches.partOf(search);
  const endless = needsGrid ? space.filter(({ domain }) => domain.grid === undefined) : [];
  for (const { name } of endless) yield { path: ['space', name], message: `a ${method} needs to know which values to take; give it steps: 5, or list values` };
  if (!needsGrid && trials === undefined && hours === undefined) yield { path: ['search'], message: `a search by ${method} has no end of its own; write trials: 20, or hours: 1` };
  if (Array.isArray(seeds) && new Set(seeds).size < seeds.length) yield { path: ['seeds'], message: 'one stands there twice, and its runs would be the same' };
}

/** Keys of `set` that would be taken away again: by one that is varied, or by a whole section that is set later or varied. */
function* lostKeys(keys: readonly string[], varied: readonly string[]): Generator<Finding> {
  for (const [i, key] of keys.entries()) {
    if (varied.includes(key)) yield { path: ['set', key], message: 'is varied below space; leave it out here' };
    const section = varied.find((path) => key.startsWith(`${path}.`));
    if (section !== undefined) yield { path: ['set', key], message: `is lost where '${section}' is varied whole below space; write it into each of its values` };
    const later = keys.slice(i + 1).find((other) => key.startsWith(`${other}.`));
    if (later !== undefined) yield { path: ['set', later], message: `sets '${later}' whole, and with it '${key}' again; let it stand above that key` };
  }
}
