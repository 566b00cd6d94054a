import type { Html } from '../charts/html.js';
import type { ReportedRun } from './reported-run.js';

/** A part of the page. */
export interface Section {
  readonly title: string;
  /** How it is read, in a sentence or two. */
  readonly about: string;
  /** Draws it for one run or several; undefined where they have nothing to show. */
  draw(runs: readonly ReportedRun[]): Html | undefined;
}
