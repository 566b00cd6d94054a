import type { Split } from '../data/options.js';
import { dataSection, firstDataState, splitsByContent } from '../data/sources/data-state.js';
import { printable, UserError, type Problem } from '../core/errors.js';
import type { RunState } from '../runs/run-state.js';
import { changedKeys } from './changed-keys.js';
import type { Experiment } from './experiment.js';
import { parseStoredConfig } from './load.js';

/**
 * Parses the config of a checkpoint.
 * @param path of its file, for problems
 * @throws UserError (checkpoint) for any problem
 */
export function storedExperiment(text: string, path: string): Experiment {
  try {
    return parseStoredConfig(text, path);
  } catch (error) {
    throw error instanceof UserError ? new UserError('checkpoint', error.problems, { cause: error }) : error;
  }
}

/** Creates a function that compares the config of a checkpoint with the current one, as `checkChanges` does. */
export function createComparison(
  now: Experiment,
): (stored: string, path: string, state: RunState) => readonly string[] {
  return (stored, path, state) =>
    checkChanges(storedExperiment(stored, path), now, splitsByContent(state.of(dataSection, firstDataState)));
}

/** Keys that may change when a run resumes, because they do not affect results. */
const MAY_CHANGE = [
  'name',
  'runs',
  'checkpoints',
  'loggers',
  'data.test',
  'data.cache',
  'data.follow.alarms',
  'data.follow.maxRejects',
  'data.maxRejects',
  'training.epochs',
  'training.earlyStopping',
  'training.onDivergence',
  'training.logEverySteps',
  'training.shardTablesFrom',
];

/**
 * Compares the config of a resumed run with the one that it was trained with.
 * @param byContent splits that are compared by content, so that their files may move
 * @returns the changes for display, such as `training.epochs: 8, now 10`
 * @throws UserError (config) with every key that must not change, and both values
 */
export function checkChanges(stored: Experiment, now: Experiment, byContent: readonly Split[] = []): readonly string[] {
  const differing = changedKeys(stored, now);
  const changed = differing.filter(({ key }) => !key.startsWith('initFrom.'));
  const problems: Problem[] = [];
  const changes: string[] =
    changed.length < differing.length ? ['initFrom, which a resumed run does not read again'] : [];
  for (const { key, before, after } of changed) {
    const [previousValue, currentValue] = createExcerpts(before ?? 'nothing', after ?? 'nothing');
    const isMoved =
      before !== undefined &&
      after !== undefined &&
      byContent.some((split) => key === `data.${split}` || (key === 'data.source' && split === 'train'));
    if (isMoved || mayChange(key)) changes.push(`${key}: ${previousValue}, now ${currentValue}`);
    else problems.push({ key, message: `the run was trained with ${previousValue}, but it is now ${currentValue}` });
  }
  // The order of features is that of the model's input.
  for (const section of ['features', 'tasks'] as const) {
    const isElsewhere = problems.some(({ key }) => key!.startsWith(`${section}.`));
    if (!isElsewhere && JSON.stringify(stored[section]) !== JSON.stringify(now[section]))
      problems.push({ key: section, message: 'are in a different order than in the trained run' });
  }
  if (problems.length === 0) return changes;
  const fix =
    `a resumed run may change ${MAY_CHANGE.join(', ')}, and the files of data.train, data.valid and data.source ` +
    'may move; otherwise start a new run';
  // Another model differs in many keys; a single fix applies to all of them.
  throw new UserError(
    'config',
    problems.map((problem, i) => (i < problems.length - 1 ? problem : { ...problem, fix })),
  );
}

function mayChange(key: string): boolean {
  return MAY_CHANGE.some((allowed) => key === allowed || key.startsWith(`${allowed}.`));
}

/** Maximum length of a value in a message, and of its part before the difference. */
const [SHOWN, SHOWN_BEFORE] = [60, 20];

/** Cuts two different strings to where they differ. */
function createExcerpts(a: string, b: string): readonly [string, string] {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const begin = Math.max(a.length, b.length) <= SHOWN ? 0 : Math.max(0, same - SHOWN_BEFORE);
  const excerpt = (text: string): string => (begin === 0 ? '' : '…') + printable(text.slice(begin), SHOWN);
  return [excerpt(a), excerpt(b)];
}
