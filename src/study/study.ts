import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { applyRenames, CONFIG_RENAMES, STUDY_RENAMES } from '../config/renames.js';
import { parseYaml } from '../config/yaml-source.js';
import { makeFolder, onDisk, syncFolder, writeFileAtomic, writeFolder } from '../io/disk.js';
import { didYouMean, joined, systemCode, UserError, userError } from '../core/errors.js';
import { randomStream, type Random } from '../core/random.js';
import { STUDIES } from '../runs/run-folder.js';
import { shownPath } from '../runs/runs-root.js';
import { JOURNAL } from './journal.js';
import { studyOptions, type StudyOptions } from './options.js';
import { searches } from './searches/searches.js';
import type { Search } from './searches/search.js';
import { buildSpace, settings, type Point, type Space } from './space.js';

/** What a study is, in its folder: by it the folder is known for one. */
const STUDY = 'study.json';
/** The texts that it was made from. */
const [SOURCE, CONFIG] = ['study.yaml', 'config.yaml'];

const directions = z.enum(['higher', 'lower']);
const storedSchema = z.strictObject({
  version: z.literal(1),
  /** The config's path, from which its own paths lead on. */
  config: z.string(),
  options: studyOptions,
  seeds: z.array(z.int()).min(1),
  /** Where the value that is searched for is better, and each metric of a report. */
  goal: directions,
  goals: z.record(z.string(), directions),
});

/** What a study is made of; JSON. */
export type StudyFacts = Omit<z.output<typeof storedSchema>, 'version'>;

/** A study whose folder is there. */
export interface Study extends StudyFacts {
  readonly folder: string;
  readonly name: string;
  /** The config's text. */
  readonly configText: string;
  readonly space: Space;
  readonly search: Search;
  /** Trials that there may be. */
  readonly numTrials: number;
}

/** Keys of a study that may change when it goes on: how much is tried, by whom and where. */
const MAY_CHANGE: ReadonlySet<string> = new Set([
  'trials',
  'hours',
  'parallel',
  'launcher',
  'maxAttempts',
  'staleMinutes',
  '$schema',
]);

/**
 * Returns the directory of a study, which no config's runs share whatever the study's name.
 * @param root the directory of all runs
 * @throws UserError (usage) for a study that an earlier version of mtl keeps beside the runs
 */
export function locateStudy(root: string, name: string): string {
  const folder = join(root, STUDIES, name);
  const earlier = join(root, name);
  if (!existsSync(folder) && existsSync(join(earlier, STUDY))) {
    const move = `mkdir -p ${shownPath(dirname(folder))} && mv ${shownPath(earlier)} ${shownPath(folder)}`;
    throw userError('usage', {
      where: shownPath(earlier),
      message: 'is a study of an earlier version of mtl, which kept studies beside runs',
      fix: `end its workers, then ${move}`,
    });
  }
  return folder;
}

/**
 * Makes the folder of a study, or goes on with the one that is there.
 * @param source the text of its YAML
 * @returns the study, and whether it is new
 * @throws UserError (config) where the folder is that of another study; (disk)
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
        // Another one made it at the same moment.
        if (existsSync(join(folder, STUDY))) return false;
        throw error;
      },
    );
    if (isMade) return { study: readStudy(folder), isNew: true };
  }
  const before = readStudy(folder);
  const changed = (Object.keys({ ...before.options, ...facts.options }) as (keyof StudyOptions)[]).filter(
    (key) => !MAY_CHANGE.has(key) && JSON.stringify(before.options[key]) !== JSON.stringify(facts.options[key]),
  );
  const others = [
    ...(isSameConfig(before.configText, configText) ? [] : [facts.config]),
    ...(JSON.stringify(before.seeds) === JSON.stringify(facts.seeds) ? [] : ['seeds']),
  ];
  if (changed.length + others.length > 0) {
    throw new UserError(
      'config',
      [...new Set([...changed, ...others])].map((key) => ({
        where: shownPath(folder),
        key,
        message: 'is another than when this study began',
        fix: `give the new study another name (--set name=${facts.options.name}-2), or remove the folder`,
      })),
    );
  }
  await writeFileAtomic(join(folder, STUDY), stored);
  return { study: readStudy(folder), isNew: false };
}

/** Whether two configs are the same text, or differ in the key names of an earlier version and comments alone. */
function isSameConfig(stored: string, now: string): boolean {
  if (stored === now) return true;
  const values = [stored, now].map((text) => {
    const { value } = parseYaml(text, CONFIG);
    applyRenames(CONFIG_RENAMES, value);
    return value;
  });
  return isDeepStrictEqual(values[0], values[1]);
}

/**
 * Reads a study from its folder.
 * @throws UserError (usage) for a folder that is none; (disk) where it cannot be read
 */
export function readStudy(folder: string): Study {
  const path = join(folder, STUDY);
  try {
    const stored = JSON.parse(readFileSync(path, 'utf8')) as { options?: unknown } | null;
    applyRenames(STUDY_RENAMES, stored?.options);
    const facts = storedSchema.parse(stored);
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
        existsSync(folder) ? `is no study: it holds no ${STUDY}` : 'there is no such folder',
        join(dirname(folder), STUDIES, basename(folder)),
      ];
      const fix = existsSync(join(other, STUDY))
        ? `write ${shownPath(other)}`
        : `name the directory that mtl sweep made, as in runs/${STUDIES}/esmm`;
      throw userError('usage', { where: folder, message, fix });
    }
    throw userError(
      'disk',
      {
        where: path,
        message:
          systemCode(error) === undefined ? 'is no study of this version' : `cannot be read (${systemCode(error)})`,
      },
      error,
    );
  }
}

/** The stream from which a trial's point is drawn. */
export function streamOf({ options }: Study, number: number): Random {
  return randomStream(options.seed, 'trial', number);
}

/**
 * What is set beside the config in the run of a point and seed: texts of `--set`, in the order in which they are
 * applied.
 */
export function listSettings(
  { options, space }: Pick<Study, 'options' | 'space'>,
  point: Point,
  seed?: number,
): readonly string[] {
  return [
    ...Object.entries(options.set).map(([key, value]) => `${key}=${JSON.stringify(value)}`),
    ...settings(space, point),
    `training.monitor=${JSON.stringify(options.metric)}`,
    ...(seed === undefined ? [] : [`seed=${seed}`]),
  ];
}

/** The folder of a trial's run, below the study's. */
export function formatRunFolder(number: number, seed: number): string {
  return join(String(number).padStart(3, '0'), `seed-${seed}`);
}

/**
 * A metric of a report that a study knows.
 * @throws UserError (usage) for another
 */
export function checkMetric({ goals }: Study, metric: string, where: string): 'higher' | 'lower' {
  const goal = goals[metric];
  if (goal === undefined)
    throw userError('usage', {
      where,
      message: joined(
        `expected a metric of valid (${Object.keys(goals).join(', ')}), found '${metric}'`,
        didYouMean(metric, Object.keys(goals)),
      ),
    });
  return goal;
}
