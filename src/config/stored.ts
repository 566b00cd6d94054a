import type { Split } from '../data/options.js';
import { dataSection, firstDataState, splitsByContent } from '../data/sources/data-state.js';
import { printable, UserError, type Problem } from '../core/errors.js';
import type { RunState } from '../runs/run-state.js';
import { changedKeys } from './changed-keys.js';
import type { Experiment } from './experiment.js';
import { parseStoredConfig } from './load.js';
import type { Override } from './overrides.js';

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
  'data.join.memory',
  'data.maxRejects',
  'training.epochs',
  'training.earlyStopping',
  'training.onDivergence',
  'training.logEverySteps',
  'training.shardTablesFrom',
];

/** Keys that may change in form only: moved files, and a run that was read before the first step. */
const MAY_MOVE = ['data.train', 'data.valid', 'data.source', 'initFrom'];

/**
 * Checks the overrides of a resumed run. Without this check, an override such as `model.name=mmoe` leads to unknown
 * keys, because the other keys of `model` belong to the trained model.
 * @throws UserError (config) with every override that changes a value which must not change
 */
export function checkOverrides(stored: Experiment, overrides: readonly Override[]): void {
  const problems = overrides.flatMap(({ path, value, text }): readonly Problem[] => {
    const key = path.join('.');
    const trained = readValue(stored, path);
    // A key that the run does not have may be misspelled.
    if (trained === undefined || mayChange(key, [...MAY_CHANGE, ...MAY_MOVE])) return [];
    const before = JSON.stringify(trained);
    const after = value === null ? undefined : JSON.stringify(value);
    if (before === after) return [];
    return [{ where: `--set ${text}`, key, message: describeChange(before, after) }];
  });
  if (problems.length > 0) throw frozenKeys(problems);
}

function readValue(config: object, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (node, step) => (typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[step] : undefined),
    config,
  );
}

/**
 * Compares the config of a resumed run with the one that it was trained with.
 * @param byContent splits that are compared by content, so that their files may move
 * @returns the changes for display, such as `training.epochs: 8, now 10`
 * @throws UserError (config) with every key that must not change, and both values
 */
export function checkChanges(stored: Experiment, now: Experiment, byContent: readonly Split[] = []): readonly string[] {
  const differing = changedKeys(stored, now);
  const isOtherModel = differing.some(({ key }) => key === 'model.name');
  const changed = differing.filter(
    ({ key }) => !key.startsWith('initFrom.') && !(isOtherModel && key.startsWith('model.') && key !== 'model.name'),
  );
  const problems: Problem[] = [];
  const changes: string[] = differing.some(({ key }) => key.startsWith('initFrom.'))
    ? ['initFrom, which a resumed run does not read again']
    : [];
  for (const { key, before, after } of changed) {
    const isMoved =
      before !== undefined &&
      after !== undefined &&
      byContent.some((split) => key === `data.${split}` || (key === 'data.source' && split === 'train'));
    if (isMoved || mayChange(key)) changes.push(`${key}: ${createExcerpts(before, after).join(', now ')}`);
    else problems.push({ key, message: describeChange(before, after) });
  }
  // The order of features is that of the model's input.
  for (const section of ['features', 'tasks'] as const) {
    const isElsewhere = problems.some(({ key }) => key!.startsWith(`${section}.`));
    if (!isElsewhere && JSON.stringify(stored[section]) !== JSON.stringify(now[section]))
      problems.push({ key: section, message: 'are in a different order than in the trained run' });
  }
  if (problems.length === 0) return changes;
  throw frozenKeys(problems);
}

function mayChange(key: string, keys: readonly string[] = MAY_CHANGE): boolean {
  return keys.some((allowed) => key === allowed || key.startsWith(`${allowed}.`));
}

function describeChange(before: string | undefined, after: string | undefined): string {
  return `the run was trained with ${createExcerpts(before, after).join(', but it is now ')}`;
}

/** Creates the error for keys that must not change. */
function frozenKeys(problems: readonly Problem[]): UserError {
  const fix =
    'this cannot change on resume: start a new run, or one from the weights of this run with --init-from RUN ' +
    `(a resumed run may change ${MAY_CHANGE.join(', ')}, and the files of data.train, data.valid and data.source may ` +
    'move)';
  // Another config may differ in many keys; a single fix applies to all of them.
  return new UserError(
    'config',
    problems.map((problem, i) => (i < problems.length - 1 ? problem : { ...problem, fix })),
  );
}

/** Maximum length of a value in a message, and of its part before the difference. */
const [SHOWN, SHOWN_BEFORE] = [60, 20];

/** Cuts two different values to where they differ. */
function createExcerpts(a = 'nothing', b = 'nothing'): readonly [string, string] {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const begin = Math.max(a.length, b.length) <= SHOWN ? 0 : Math.max(0, same - SHOWN_BEFORE);
  const excerpt = (text: string): string => (begin === 0 ? '' : '…') + printable(text.slice(begin), SHOWN);
  return [excerpt(a), excerpt(b)];
}
