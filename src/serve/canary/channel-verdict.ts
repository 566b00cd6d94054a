import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { userError } from '../../core/errors.js';
import {
  findChannelName,
  findRejection,
  pointChannel,
  readChannel,
  recordRejection,
  type Promotion,
} from '../../runs/channels.js';
import type { LiveFigures } from '../../runs/live-figures.js';
import { isTaken } from '../../runs/lock.js';
import { manifestDigest } from '../../runs/manifest.js';
import { existingRun } from '../../runs/run-list.js';
import { runName, runPath, runsRoot } from '../../runs/runs-root.js';
import { refuseAlarms } from '../../runs/stream-alarms.js';
import { wallClockMs } from '../../system/clock.js';
import type { ModelFacts } from '../messages.js';
import type { Look } from './looks.js';
import type { CanaryOptions, CanaryRule, Side } from './options.js';
import { MTL } from '../../system/command-name.js';

/** Returns the run of a checkpoint directory. */
export function runDirectory({ checkpoint }: Pick<ModelFacts, 'checkpoint'>): string {
  return dirname(dirname(checkpoint));
}

/** The channel that a rule moves, and the run that it moves it to. */
export class ChannelVerdict {
  readonly #channel: string;
  /** Directory of the candidate run. */
  readonly #run: string;
  readonly #rule: CanaryRule;
  readonly #onWarning: (text: string) => void;

  /**
   * @param served path of the present model
   * @throws UserError (usage) if that is not a channel, or the candidate is not a run or is being trained
   */
  constructor(
    served: string,
    { kind, path }: Pick<CanaryOptions, 'kind' | 'path'>,
    rule: CanaryRule,
    onWarning: (text: string) => void,
  ) {
    const channel = findChannelName(runPath(served), runsRoot());
    if (channel === undefined)
      throw userError('usage', {
        where: `--promote-if ${rule.metric}`,
        message: `requires a channel, found ${served}`,
        fix: `create one with ${MTL} promote RUN --to prod, and serve runs/channels/prod`,
      });
    this.#channel = channel;
    this.#run = existingRun(path);
    this.#rule = rule;
    this.#onWarning = onWarning;
    if (isTaken(this.#run))
      throw userError('usage', {
        where: `--${kind} ${path}`,
        message: 'the run is being trained',
        fix: 'wait for it or stop it, or remove --promote-if',
      });
  }

  /** @throws UserError (checkpoint) if the last window of the candidate's stream has alarms */
  refuseAlarms(): Promise<void> {
    return refuseAlarms(this.#run);
  }

  /** Returns the time at which the same checkpoint was rejected since the last promotion; undefined if it was not. */
  async findRejection({ checkpoint }: ModelFacts): Promise<string | undefined> {
    const root = runsRoot();
    const found = findRejection(this.#channel, root, runName(this.#run, root));
    return found !== undefined && found.sha256 === (await manifestDigest(checkpoint)) ? found.time : undefined;
  }

  /**
   * Points the channel at a candidate that is better, or records that it is worse.
   * @param live figures of both models, for the record
   * @returns false, with nothing changed, if the channel no longer has the run of the present model
   * @throws UserError (disk); (usage) if another process holds the lock
   */
  async record(
    look: Look,
    { present, candidate }: Readonly<Record<Side, ModelFacts>>,
    live: LiveFigures,
  ): Promise<boolean> {
    const root = runsRoot();
    const { target, run: over } = readChannel(this.#channel, root);
    const pointed = over === null ? undefined : join(root, over);
    if (pointed === undefined || !existsSync(pointed) || realpathSync(pointed) !== realpathSync(runDirectory(present)))
      return false;
    const record: Promotion = {
      time: new Date(wallClockMs()).toISOString(),
      run: runName(this.#run, root),
      over,
      reason: look.verdict === 'better' ? 'better' : 'rejected',
      checkpoint: basename(candidate.checkpoint),
      sha256: await manifestDigest(candidate.checkpoint),
      gate: toGate(look, this.#rule),
      live,
    };
    if (look.verdict === 'better') return pointChannel(this.#channel, root, target, record, this.#onWarning);
    await recordRejection(this.#channel, root, record, this.#onWarning);
    return true;
  }
}

/** @param look with a verdict, so its metric has values and an interval */
function toGate({ rows, confidence, difference }: Look, { metric }: CanaryRule): Promotion['gate'] {
  const { goal, a, b, difference: change, low, high } = difference;
  return {
    metric,
    goal: goal === 'none' ? 'lower' : goal,
    confidence,
    margin: 0,
    data: null,
    split: 'live',
    rows,
    present: a!,
    candidate: b!,
    difference: change!,
    low: low!,
    high: high!,
  };
}
