import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../evaluation/evaluation.js';
import type { DiagnosisReport } from '../training/diagnostics.js';
import type { StepReport } from '../training/loop.js';

/** What a run measured, a line of JSON each. */
export const METRICS = 'metrics.jsonl';

/** A line at the end of an epoch, or where valid was measured within one. */
export interface MilestoneLine {
  readonly epoch: number;
  /** False within an epoch; else it is left out. */
  readonly isEpochEnd?: boolean;
  readonly step: number;
  /** Of the epoch, so far. */
  readonly rows: number;
  readonly elapsedMs: number;
  readonly train: { readonly loss: number; readonly terms: Readonly<Record<string, number>> };
  readonly valid?: { readonly loss: number; readonly metrics: Report };
  readonly isBest: boolean;
}

/** A line of steps within an epoch. */
export interface StepsLine extends Omit<StepReport, 'loss' | 'norms'> {
  readonly train: { readonly loss: number; readonly terms: Readonly<Record<string, number>> };
  readonly norms?: Readonly<Record<string, number>>;
}

/** A line of a step that was looked into. */
export interface DiagnosisLine {
  readonly epoch: number;
  readonly step: number;
  readonly diagnosis: Pick<DiagnosisReport, 'cosines' | 'sharedNorms' | 'layers' | 'gates'>;
}

/** What is in a run's metrics.jsonl. */
export interface MetricLines {
  readonly milestones: readonly MilestoneLine[];
  readonly steps: readonly StepsLine[];
  readonly diagnoses: readonly DiagnosisLine[];
  /** The last line, of a run that has ended. */
  readonly results: { readonly bestEpoch: number; readonly metrics: Readonly<Record<string, Report>> } | undefined;
}

/** Reads what a run has measured so far; a line that is just being written, or was cut short, is left out. */
export function readMetricLines(run: string): MetricLines {
  const path = join(run, METRICS);
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1).flatMap(parsed) : [];
  return {
    // The file is of our own making, and a line of each kind is told by a key that the others lack.
    milestones: lines.filter((line) => 'isBest' in line) as unknown as MilestoneLine[],
    steps: lines.filter((line) => 'rates' in line) as unknown as StepsLine[],
    diagnoses: lines.filter((line) => 'diagnosis' in line) as unknown as DiagnosisLine[],
    results: lines.findLast((line) => 'bestEpoch' in line) as MetricLines['results'],
  };
}

function parsed(line: string): readonly object[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? [value] : [];
  } catch {
    return [];
  }
}

/** The rows of the epochs that are behind, and the time that they took. */
export function trainedIn(milestones: readonly MilestoneLine[]): { readonly rows: number; readonly elapsedMs: number } {
  const ends = milestones.filter(({ isEpochEnd }) => isEpochEnd !== false);
  return ends.reduce((sum, { rows, elapsedMs }) => ({ rows: sum.rows + rows, elapsedMs: sum.elapsedMs + elapsedMs }), {
    rows: 0,
    elapsedMs: 0,
  });
}
