import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { parseYaml } from '../config/yaml-source.js';
import { makeFolder, onDisk, syncFolder, writeFileAtomic, writeFolder } from '../io/disk.js';
import { didYouMean, joined, quoted, systemCode, UserError, userError } from '../core/errors.js';
import { randomStream, type Random } from '../core/random.js';
import { STUDIES } from '../runs/run-folder.js';
import { shownPath } from '../runs/runs-root.js';
import { JOURNAL } from './journal.js';
import { studyOptions, type StudyOptions } from './options.js';
import { searches } from './searches/searches.js';
import type { Search } from './searches/search.js';
import { buildSpace, formatSettings, type Point, type Space } from './space.js';

/** Identifies a directory as a study. */
const STUDY = 'study.json';
/** Copies of the study file and the config. */
const [SOURCE, CONFIG] = ['study.yaml', 'config.yaml'];

const directions = z.enum(['higher', 'lower']);
const storedSchema = z.strictObject({
  version: z.literal(1),
  /** Path of the config, which its relative paths refer to. */
  config: z.string(),
  options: studyOptions,
  seeds: z.array(z.int()).min(1),
  /** Direction of the optimized metric and of each report metric. */
  goal: directions,
  goals: z.record(z.string(), directions),
});

/** Stored definition of a study; JSON. */
export type StudyFacts = Omit<z.output<typeof storedSchema>, 'version'>;

/** A study with a directory. */
export interface Study extends StudyFacts {
  readonly folder: string;
  readonly name: string;
  readonly configText: string;
  readonly space: Space;
  readonly search: Search;
  /** Maximum number of trials. */
  readonly numTrials: number;
}

/** Keys that may change when a study is resumed. */
const MUTABLE_KEYS: ReadonlySet<string> = new Set([
  'trials',
  'hours',
  'parallel',
  'launcher',
  'maxAttempts',
  'staleMinutes',
  '$schema',
]);

/**
 * Returns the directory of a study, below one that no config's runs use.
 * @param root directory of all runs
 */
export function locateStudy(root: string, name: string): string {
  return join(root, STUDIES, name);
}

/**
 * Creates or resumes a study.
 * @param source content of the study file
 * @returns the study, and whether it is new
 * @throws UserError (config) if the directory belongs to a different study; (disk)
 */
export async function openStudy(
  folder: string,
  facts: StudyFacts,
  source: string,
  configText: string,
): Promise<{ readonly study: Study; readonly isNew: boolean }> {
  const stored = `${JSON.stringify({ version: 1, ...facts } satisfies z.input<typeof storedSchema>, null, 2)}\n`;
  if (!existsSync(folder)) {
    await onDisk(folder, () => makeFolder(join(folder, '..')));
    const isMade = await writeFolder(folder, async (inside) => {
      await writeFileAtomic(join(inside, STUDY), stored);
      await writeFileAtomic(join(inside, SOURCE), source);
      await writeFileAtomic(join(inside, CONFIG), configText);
      await mkdir(join(inside, JOURNAL));
      await syncFolder(inside);
    }).then(
      () => true,
      (error: unknown) => {
        // Another process created it concurrently.
        if (existsSync(join(folder, STUDY))) return false;
        throw error;
      },
    );
    if (isMade) return { study: readStudy(folder), isNew: true };
  }
  const previous = readStudy(folder);
  const changed = (Object.keys({ ...previous.options, ...facts.options }) as (keyof StudyOptions)[]).filter(
    (key) => !MUTABLE_KEYS.has(key) && JSON.stringify(previous.options[key]) !== JSON.stringify(facts.options[key]),
  );
  const others = [
    ...(isSameConfig(previous.configText, configText) ? [] : [facts.config]),
    ...(JSON.stringify(previous.seeds) === JSON.stringify(facts.seeds) ? [] : ['seeds']),
  ];
  if (changed.length + others.length > 0) {
    throw new UserError(
      'config',
      [...new Set([...changed, ...others])].map((key) => ({
        where: shownPath(folder),
        key,
        message: 'changed since the study began',
        fix: `choose another name (--set name=${facts.options.name}-2) or remove the directory`,
      })),
    );
  }
  await writeFileAtomic(join(folder, STUDY), stored);
  return { study: readStudy(folder), isNew: false };
}

/** Whether two configs are the same, except for comments. */
function isSameConfig(stored: string, now: string): boolean {
  if (stored === now) return true;
  const [a, b] = [stored, now].map((text) => parseYaml(text, CONFIG, true).value);
  return isDeepStrictEqual(a, b);
}

/** Reports whether a directory is a study. */
export function isStudy(folder: string): boolean {
  return existsSync(join(folder, STUDY));
}

/**
 * Reads a study from its directory.
 * @throws UserError (usage) if it is not a study; (disk) if it cannot be read
 */
export function readStudy(folder: string): Study {
  const path = join(folder, STUDY);
  try {
    const facts = storedSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    const { options } = facts;
    const space = buildSpace(options.space);
    const search = searches.build(options.search, space);
    return {
      ...facts,
      folder,
      name: options.name,
      configText: readFileSync(join(folder, CONFIG), 'utf8'),
      space,
      search,
      numTrials: Math.min(search.size, options.trials ?? Infinity),
    };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      const [message, other] = [
        existsSync(folder) ? `not a study: it has no ${STUDY}` : 'no such directory',
        join(dirname(folder), STUDIES, basename(folder)),
      ];
      const fix = existsSync(join(other, STUDY))
        ? `use ${shownPath(other)}`
        : `name a directory created by mtl sweep, such as runs/${STUDIES}/esmm`;
      throw userError('usage', { where: folder, message, fix });
    }
    throw userError(
      'disk',
      {
        where: path,
        message:
          systemCode(error) === undefined ? 'invalid study file' : `cannot read the study (${systemCode(error)})`,
      },
      error,
    );
  }
}

/** Creates the random stream of a trial's point. */
export function createTrialStream({ options }: Study, number: number): Random {
  return randomStream(options.seed, 'trial', number);
}

/** Lists the overrides of a trial's run as values of `--set`, in the order in which they apply. */
export function listSettings(
  { options, space }: Pick<Study, 'options' | 'space'>,
  point: Point,
  seed?: number,
): readonly string[] {
  return [
    ...Object.entries(options.set).map(([key, value]) => `${key}=${JSON.stringify(value)}`),
    ...formatSettings(space, point),
    `training.monitor=${JSON.stringify(options.metric)}`,
    ...(seed === undefined ? [] : [`seed=${seed}`]),
  ];
}

/** Returns the directory of a trial's run, relative to the study's. */
export function formatRunFolder(number: number, seed: number): string {
  return join(String(number).padStart(3, '0'), `seed-${seed}`);
}

/**
 * Validates a report metric of a study.
 * @returns its direction
 * @throws UserError (usage) if the metric does not exist
 */
export function checkMetric({ goals }: Study, metric: string, where: string): 'higher' | 'lower' {
  const goal = goals[metric];
  if (goal === undefined)
    throw userError('usage', {
      where,
      message: joined(
        `expected a validation metric (${Object.keys(goals).join(', ')}), found ${quoted(metric)}`,
        didYouMean(metric, Object.keys(goals)),
      ),
    });
  return goal;
}
