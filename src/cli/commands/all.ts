import { baseline } from './baseline.js';
import { board } from './board.js';
import { check } from './check.js';
import type { Command } from './command.js';
import { completion } from './completion.js';
import { config } from './config.js';
import { crosses } from './crosses.js';
import { data } from './data.js';
import { diff } from './diff.js';
import { doctor } from './doctor.js';
import { evaluate } from './eval.js';
import { explain } from './explain.js';
import { exportModel } from './export.js';
import { importance } from './importance.js';
import { init } from './init.js';
import { live } from './live.js';
import { predict } from './predict.js';
import { prepare } from './prepare.js';
import { promote } from './promote.js';
import { report } from './report.js';
import { runs } from './runs.js';
import { serve } from './serve.js';
import { setup } from './setup.js';
import { sweep } from './sweep.js';
import { synth } from './synth.js';
import { train } from './train.js';

/** All commands by group, in the order of help. */
export const COMMAND_GROUPS: Readonly<Record<string, readonly Command[]>> = {
  Start: [init, check, config],
  Train: [train, baseline, sweep, runs, board],
  Evaluate: [evaluate, report, diff, importance, explain, crosses],
  Use: [predict, serve, live, exportModel, promote],
  Data: [data, prepare, synth],
  Machine: [doctor, setup, completion],
};

/** All commands, in the order of help. */
export const commands: readonly Command[] = Object.values(COMMAND_GROUPS).flat();
