import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../evaluation/evaluation.js';
import type { DiagnosisReport } from '../training/diagnostics.js';
import type { StepReport } from '../training/steps-in-flight.js';
import type { StreamWindow } from '../training/observer.js';

/** A run's measurements, JSON Lines. */
export const METRICS = 'metrics.jsonl';

/** Written at the end of each epoch, and for each validation within one. */
export interface MilestoneLine {
  readonly epoch: number;
  /** Absent at the end of an epoch. */
  readonly isEpochEnd?: boolean;
  readonly step: number;
  /** Rows of the epoch so far. */
  readonly rows: number;
  readonly elapsedMs: number;
  readonly train: { readonly loss: number; readonly losses: Readonly<Record<string, number>> };
  readonly valid?: { readonly loss: number; readonly metrics: Report };
  readonly isBest: boolean;
}

/** Progress within an epoch. */
export interface StepsLine extends Omit<StepReport, 'loss' | 'gradNorms'> {
  readonly train: { readonly loss: number; readonly losses: Readonly<Record<string, number>> };
  readonly gradNorms?: Readonly<Record<string, number>>;
}

/** Diagnostics of one step. */
export interface DiagnosisLine {
  readonly epoch: number;
  readonly step: number;
  readonly diagnosis: Pick<DiagnosisReport, 'cosines' | 'sharedNorms' | 'layers' | 'gates'>;
}

/** A window of a stream: metrics of records before they were trained on. */
export interface WindowLine extends Omit<StreamWindow, 'report' | 'skippedBatches' | 'drift'> {
  readonly progressive: { readonly metrics: Report };
  /** Absent in runs of earlier versions. */
  readonly drift?: StreamWindow['drift'];
}

/** Content of a run's metrics.jsonl. */
export interface MetricLines {
  readonly milestones: readonly MilestoneLine[];
  readonly steps: readonly StepsLine[];
  readonly diagnoses: readonly DiagnosisLine[];
  readonly windows: readonly WindowLine[];
  /** The last line of a completed run. */
  readonly results: { readonly bestEpoch: number; readonly metrics: Readonly<Record<string, Report>> } | undefined;
}

/** Reads a run's metrics.jsonl; skips incomplete and invalid lines. */
export function readMetricLines(run: string): MetricLines {
  const path = join(run, METRICS);
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1).flatMap(parseLine) : [];
  return {
    // The casts are safe: mtl writes the file, and each kind of line has a key of its own.
    milestones: lines.filter((line) => 'isBest' in line) as unknown as MilestoneLine[],
    steps: lines.filter((line) => 'lrFactors' in line) as unknown as StepsLine[],
    diagnoses: lines.filter((line) => 'diagnosis' in line) as unknown as DiagnosisLine[],
    windows: lines.filter((line) => 'progressive' in line) as unknown as WindowLine[],
    results: lines.findLast((line) => 'bestEpoch' in line) as MetricLines['results'],
  };
}

function parseLine(line: string): readonly object[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? [value] : [];
  } catch {
    return [];
  }
}

/** Sums rows and time of the completed epochs. */
export function trainedIn(milestones: readonly MilestoneLine[]): { readonly rows: number; readonly elapsedMs: number } {
  const ends = milestones.filter(({ isEpochEnd }) => isEpochEnd !== false);
  return ends.reduce((sum, { rows, elapsedMs }) => ({ rows: sum.rows + rows, elapsedMs: sum.elapsedMs + elapsedMs }), {
    rows: 0,
    elapsedMs: 0,
  });
}
