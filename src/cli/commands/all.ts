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

/** All commands, in the order of help: most needed first. */
export const commands: readonly Command[] = [
  init,
  check,
  train,
  baseline,
  sweep,
  runs,
  board,
  report,
  diff,
  promote,
  evaluate,
  predict,
  importance,
  explain,
  crosses,
  exportModel,
  serve,
  live,
  config,
  data,
  prepare,
  synth,
  doctor,
  setup,
  completion,
];
