import { basename, dirname } from 'node:path';
import { findChannelName } from '../runs/channels.js';
import { runPath, runsRoot } from '../runs/runs-root.js';
import { findBeforeAlarms, readAlarms } from '../runs/stream-alarms.js';
import type { ModelFacts } from './messages.js';

/** The checkpoint of a run that may be served. */
export interface Publishable {
  /** Undefined for the served one. */
  readonly folder: string | undefined;
  /** Why a newer one is not served; empty if there is none. */
  readonly alarms: readonly string[];
}

type Served = Pick<ModelFacts, 'checkpoint' | 'version'>;

/**
 * Chooses the newest checkpoint of a run whose stream has no alarms in its last window. Without any, a model that is
 * not served yet has the newest one.
 * @param path that is served
 * @param newest checkpoint of the run
 * @param served undefined at the start
 * @throws UserError (checkpoint) if the newest one cannot be read
 */
export async function choosePublishable(path: string, newest: string, served?: Served): Promise<Publishable> {
  const alarms = isNamed(path, newest, served) ? [] : await readAlarms(newest);
  if (alarms.length === 0) return { folder: newest, alarms };
  const earlier = await findBeforeAlarms(newest);
  if (served === undefined) return { folder: earlier ?? newest, alarms };
  const isNew =
    earlier !== undefined &&
    (dirname(earlier) !== dirname(served.checkpoint) || stepOf(earlier) > Number(served.version));
  return { folder: isNew ? earlier : undefined, alarms };
}

/** Whether somebody named a checkpoint itself, or pointed the served channel to its run. */
function isNamed(path: string, newest: string, served: Served | undefined): boolean {
  if (basename(path) === basename(newest)) return true;
  const isOtherRun = served === undefined || dirname(served.checkpoint) !== dirname(newest);
  return isOtherRun && findChannelName(runPath(path), runsRoot()) !== undefined;
}

/** @param folder checkpoint directory, such as `step-00000316` */
function stepOf(folder: string): number {
  return Number(/\d+/.exec(basename(folder))?.[0]);
}
