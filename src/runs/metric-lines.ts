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
  readonly train: { readonly loss: number; readonly losses: Readonly<Record<string, number>> };
  readonly valid?: { readonly loss: number; readonly metrics: Report };
  readonly isBest: boolean;
}

/** A line of steps within an epoch. */
export interface StepsLine extends Omit<StepReport, 'loss' | 'gradNorms'> {
  readonly train: { readonly loss: number; readonly losses: Readonly<Record<string, number>> };
  readonly gradNorms?: Readonly<Record<string, number>>;
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
    steps: lines.filter((line) => 'lrFactors' in line) as unknown as StepsLine[],
    diagnoses: lines.filter((line) => 'diagnosis' in line) as unknown as DiagnosisLine[],
    results: lines.findLast((line) => 'bestEpoch' in line) as MetricLines['results'],
  };
}

function parsed(line: string): readonly object[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? [migrateLine(value as Line)] : [];
  } catch {
    return [];
  }
}

type Line = Record<string, unknown>;

/** Keys of a line of steps in an earlier version, and their current names. */
const EARLIER_KEYS = { rates: 'lrFactors', norms: 'gradNorms', weights: 'lossWeights' } as const;

/** Returns a line with the current key names. */
function migrateLine({ train, ...line }: Line): Line {
  const keys = new Map<string, string>('rates' in line ? Object.entries(EARLIER_KEYS) : []);
  const current = Object.fromEntries(Object.entries(line).map(([key, value]) => [keys.get(key) ?? key, value]));
  if (typeof train !== 'object' || train === null) return current;
  const { terms, ...losses } = train as Line;
  return { ...current, train: terms === undefined ? train : { ...losses, losses: terms } };
}

/** The rows of the epochs that are behind, and the time that they took. */
export function trainedIn(milestones: readonly MilestoneLine[]): { readonly rows: number; readonly elapsedMs: number } {
  const ends = milestones.filter(({ isEpochEnd }) => isEpochEnd !== false);
  return ends.reduce((sum, { rows, elapsedMs }) => ({ rows: sum.rows + rows, elapsedMs: sum.elapsedMs + elapsedMs }), {
    rows: 0,
    elapsedMs: 0,
  });
}
