import type { Split } from '../data/options.js';
import { dataSection, firstDataState, splitsByContent } from '../data/sources/data-state.js';
import { printable, UserError, type Problem } from '../core/errors.js';
import type { RunState } from '../runs/run-state.js';
import { changedKeys } from './changed-keys.js';
import type { Experiment } from './experiment.js';
import { parseStoredConfig } from './load.js';

/**
 * The config that a checkpoint holds.
 * @param path of its file, named in problems
 * @throws UserError (checkpoint): its mistakes are the checkpoint's
 */
export function storedExperiment(text: string, path: string): Experiment {
  try {
    return parseStoredConfig(text, path);
  } catch (error) {
    throw error instanceof UserError ? new UserError('checkpoint', error.problems, { cause: error }) : error;
  }
}

/** A function that compares the config of a checkpoint with the one that is asked for now, as `checkChanges` does. */
export function comparisonWith(now: Experiment): (stored: string, path: string, state: RunState) => readonly string[] {
  return (stored, path, state) =>
    checkChanges(storedExperiment(stored, path), now, splitsByContent(state.of(dataSection, firstDataState)));
}

/**
 * Keys that a run may change when it goes on: how long, how often and with what care, but nothing that decides a
 * number.
 */
const MAY_CHANGE = [
  'name',
  'runs',
  'checkpoints',
  'loggers',
  'data.test',
  'data.cache',
  'data.maxRejects',
  'training.epochs',
  'training.earlyStopping',
  'training.onDivergence',
  'training.logEverySteps',
  'training.shardTablesFrom',
];

/**
 * Compares the config of a run that goes on with the one that it was trained with.
 * @param byContent splits that are compared by what they hold, so that their files may lie elsewhere
 * @returns what changed, for people, as in `training.epochs: 8, now 10`
 * @throws UserError (config) that names every key that may not change, with both values
 */
export function checkChanges(stored: Experiment, now: Experiment, byContent: readonly Split[] = []): readonly string[] {
  const differing = changedKeys(stored, now);
  const changed = differing.filter(({ key }) => !key.startsWith('initFrom.'));
  const problems: Problem[] = [];
  const changes: string[] =
    changed.length < differing.length ? ['initFrom, which a run that goes on does not read again'] : [];
  for (const { key, before, after } of changed) {
    const [was, is] = excerpts(before ?? 'nothing', after ?? 'nothing');
    const isMoved =
      before !== undefined &&
      after !== undefined &&
      byContent.some((split) => key === `data.${split}` || (key === 'data.source' && split === 'train'));
    if (isMoved || mayChange(key)) changes.push(`${key}: ${was}, now ${is}`);
    else problems.push({ key, message: `the run was trained with ${was}, now it is ${is}` });
  }
  // The order of features is that of the model's input.
  for (const section of ['features', 'tasks'] as const) {
    const isElsewhere = problems.some(({ key }) => key!.startsWith(`${section}.`));
    if (!isElsewhere && JSON.stringify(stored[section]) !== JSON.stringify(now[section]))
      problems.push({ key: section, message: 'stand in another order than the run was trained with' });
  }
  if (problems.length === 0) return changes;
  const fix = `a run that goes on may change ${MAY_CHANGE.join(', ')}; and the files of data.train, data.valid and data.source may move; for anything else, start a new one`;
  // Another model is another value in twenty keys: what helps is the same for all of them.
  throw new UserError(
    'config',
    problems.map((problem, i) => (i < problems.length - 1 ? problem : { ...problem, fix })),
  );
}

function mayChange(key: string): boolean {
  return MAY_CHANGE.some((allowed) => key === allowed || key.startsWith(`${allowed}.`));
}

/** Characters of a value that a message shows, and how many of them stand before what differs. */
const [SHOWN, SHOWN_BEFORE] = [60, 20];

/** Two texts that differ, each cut to where it does. */
function excerpts(a: string, b: string): readonly [string, string] {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const begin = Math.max(a.length, b.length) <= SHOWN ? 0 : Math.max(0, same - SHOWN_BEFORE);
  const excerpt = (text: string): string => (begin === 0 ? '' : '…') + printable(text.slice(begin), SHOWN);
  return [excerpt(a), excerpt(b)];
}
