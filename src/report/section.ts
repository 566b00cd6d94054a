import type { Html } from '../charts/html.js';
import type { ReportedRun } from './reported-run.js';

/** A section of the report. */
export interface Section {
  readonly title: string;
  /** Explains how to read the section, in a sentence or two. */
  readonly about: string;
  /** Renders it for one run or several; undefined if there is nothing to show. */
  draw(runs: readonly ReportedRun[]): Html | undefined;
}
