import type { Task } from '../tasks.js';
import { goalsOf, type Goals } from './goals.js';
import { keysOf, measuringOf, type EvaluationSection, type Measuring } from './options.js';
import { spacesOf, type Space } from './spaces.js';

/** What is measured, of what. */
export interface MeasuredSpaces {
  readonly spaces: readonly Space[];
  readonly measuring: Measuring;
  /** Columns of the data that have to be kept beside the features. */
  readonly keys: readonly string[];
  readonly goals: Goals;
}

/** What a config measures of its tasks. */
export function measuredSpaces(tasks: readonly Task[], section: EvaluationSection | undefined): MeasuredSpaces {
  const [spaces, measuring] = [spacesOf(tasks), measuringOf(section)];
  return { spaces, measuring, keys: keysOf(measuring), goals: goalsOf(spaces, measuring) };
}
