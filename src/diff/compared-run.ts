import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { wallClockMs } from '../system/clock.js';
import { changedKeys } from '../config/changed-keys.js';
import { isSameContent, type Fingerprint } from '../data/files/fingerprint.js';
import type { DataState } from '../data/sources/data-state.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { ENVIRONMENT } from '../runs/init-from.js';
import { describeRun, type ListedRun } from '../runs/run-list.js';
import { SOURCE } from '../runs/run-log.js';
import { shownPath } from '../runs/runs-root.js';

/** A run as its folder tells of it, and the checkpoint that stands for it. */
export interface ComparedRun {
  /** Of the checkpoint. */
  readonly folder: string;
  /** Undefined for a checkpoint that lies in no run. */
  readonly run: ListedRun | undefined;
  /** What it was made with: version, commit, Node, engine, machine. */
  readonly environment: object;
}

/** A key that differs; JSON values, null where one has no such key. */
export interface DifferingKey {
  readonly key: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** Whether two runs read the same bytes: null where one of them did not keep what it read, or has no such data. */
export type IsSame = boolean | null;

/**
 * Finds the checkpoint of a run, the best one, or the checkpoint that is named, and what its run tells.
 * @throws UserError (checkpoint) where there is none
 */
export function findCompared(path: string): ComparedRun {
  const folder = findCheckpoint(path);
  const run = dirname(dirname(folder));
  if (!existsSync(join(run, SOURCE))) return { folder, run: undefined, environment: {} };
  return { folder, run: describeRun(run, wallClockMs()), environment: environmentOf(run) };
}

/** What differs in how two runs came to be, beside when and where they were started. */
export function differingSurroundings(a: ComparedRun, b: ComparedRun): readonly DifferingKey[] {
  return differingKeys(a.environment, b.environment);
}

/** The keys in which two maps differ. */
export function differingKeys(a: object, b: object): readonly DifferingKey[] {
  const valueOf = (text: string | undefined): unknown => (text === undefined ? null : (JSON.parse(text) as unknown));
  return changedKeys(a, b).map(({ key, before, after }) => ({ key, a: valueOf(before), b: valueOf(after) }));
}

/** Whether two runs were trained on the same rows and chosen by the same. */
export function sameData(a: DataState, b: DataState): { readonly train: IsSame; readonly valid: IsSame } {
  return {
    train: isSame(a.fingerprints.train, b.fingerprints.train),
    valid: isSame(a.fingerprints.valid, b.fingerprints.valid),
  };
}

function isSame(a: Fingerprint | undefined, b: Fingerprint | undefined): IsSame {
  return a === undefined || b === undefined ? null : isSameContent(a, b);
}

/** What is of the moment, and says nothing of what was computed. */
const OF_THE_MOMENT = ['startedAt', 'command', 'workingDirectory'];

function environmentOf(run: string): object {
  try {
    const { machine, ...environment } = JSON.parse(readFileSync(join(run, ENVIRONMENT), 'utf8')) as Record<
      string,
      unknown
    >;
    return {
      ...Object.fromEntries(Object.entries(environment).filter(([key]) => !OF_THE_MOMENT.includes(key))),
      machine,
    };
  } catch {
    // A file that is not there, or damaged, tells nothing.
    return {};
  }
}

/** How people call it. */
export function getRunName({ folder, run }: ComparedRun): string {
  return run?.run ?? shownPath(folder);
}
