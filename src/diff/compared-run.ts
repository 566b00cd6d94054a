import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { wallClockMs } from '../system/clock.js';
import { changedKeys } from '../config/changed-keys.js';
import { isSameContent, type Fingerprint } from '../data/readers/fingerprint.js';
import type { DataState } from '../data/sources/data-state.js';
import { hasStoredRows } from '../evaluation/stored-rows.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { ENVIRONMENT } from '../runs/init-from.js';
import { describeRun, type ListedRun } from '../runs/run-list.js';
import { SOURCE } from '../runs/run-log.js';
import { followRunLink, runPath, shownPath } from '../runs/runs-root.js';

/** A run as described by its files, and the checkpoint that represents it. */
export interface ComparedRun {
  /** Directory of the checkpoint, or of the run if it has stored predictions. */
  readonly folder: string;
  /** Undefined for a checkpoint outside a run. */
  readonly run: ListedRun | undefined;
  /** Version, commit, Node, engine and machine. */
  readonly environment: object;
}

/** A key whose values differ; JSON values, null if absent. */
export interface DifferingKey {
  readonly key: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** Whether two runs read the same bytes; null if either has no fingerprint of such data. */
export type IsSame = boolean | null;

/**
 * Finds a run's best checkpoint, or the named checkpoint, and its run; or a run with stored predictions.
 * @throws UserError (checkpoint) if there is none
 */
export function findCompared(path: string): ComparedRun {
  const named = followRunLink(runPath(path));
  const isStored = hasStoredRows(named);
  const folder = isStored ? named : findCheckpoint(path);
  const run = isStored ? named : dirname(dirname(folder));
  if (!existsSync(join(run, SOURCE))) return { folder, run: undefined, environment: {} };
  return { folder, run: describeRun(run, wallClockMs()), environment: readEnvironment(run) };
}

/** Compares the environments of two runs, except for the time and place of their start. */
export function differingSurroundings(a: ComparedRun, b: ComparedRun): readonly DifferingKey[] {
  return differingKeys(a.environment, b.environment);
}

/** Lists the keys in which two objects differ. */
export function differingKeys(a: object, b: object): readonly DifferingKey[] {
  const parseValue = (text: string | undefined): unknown => (text === undefined ? null : (JSON.parse(text) as unknown));
  return changedKeys(a, b).map(({ key, before, after }) => ({ key, a: parseValue(before), b: parseValue(after) }));
}

/** Reports whether two runs have the same training and validation sets. */
export function sameData(a: DataState, b: DataState): { readonly train: IsSame; readonly valid: IsSame } {
  return {
    train: isSame(a.fingerprints.train, b.fingerprints.train),
    valid: isSame(a.fingerprints.valid, b.fingerprints.valid),
  };
}

function isSame(a: Fingerprint | undefined, b: Fingerprint | undefined): IsSame {
  return a === undefined || b === undefined ? null : isSameContent(a, b);
}

/** Keys that do not affect results. */
const VOLATILE_KEYS = ['startedAt', 'command', 'workingDirectory'];

function readEnvironment(run: string): object {
  try {
    const { machine, ...environment } = JSON.parse(readFileSync(join(run, ENVIRONMENT), 'utf8')) as Record<
      string,
      unknown
    >;
    return {
      ...Object.fromEntries(Object.entries(environment).filter(([key]) => !VOLATILE_KEYS.includes(key))),
      machine,
    };
  } catch {
    // A missing or damaged file is ignored.
    return {};
  }
}

/** Returns the name of a run for messages. */
export function getRunName({ folder, run }: ComparedRun): string {
  return run?.run ?? shownPath(folder);
}
