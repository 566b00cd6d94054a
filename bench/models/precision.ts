import { basename } from 'node:path';
import type { Trained } from './measure.js';

/** Scores of a config with products in f32 and in another precision, with the same seeds in the same order. */
export interface PrecisionLine {
  /** File name. */
  readonly config: string;
  readonly f32: readonly Trained[];
  readonly other: readonly Trained[];
}

const SPACES = { ctr: 'ctr', cvr: 'cvr, where clicked', ctcvr: 'ctcvr' } as const;
const TEN_THOUSAND = 10_000;

/**
 * Renders, in Markdown, the mean test AUC of each config in f32 and the change in another precision in units of 1e-4:
 * the mean and the largest over seeds.
 */
export function precisionTable(precision: string, lines: readonly PrecisionLine[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(['', ...Object.values(SPACES).map((title) => `${title}: f32 (change with ${precision})`), 'seeds']),
    row(['---', ...Object.keys(SPACES).map(() => '---'), '---:']),
    ...lines.map(({ config, f32, other }) =>
      row([
        basename(config, '.yaml'),
        ...Object.keys(SPACES).map((output) => cell(output, f32, other)),
        String(f32.length),
      ]),
    ),
  ].join('\n');
}

function cell(output: string, f32: readonly Trained[], other: readonly Trained[]): string {
  const pairs = f32.flatMap((run, s) => {
    const [single, rounded] = [run.test[output]?.['auc'], other[s]?.test[output]?.['auc']];
    return typeof single === 'number' && typeof rounded === 'number'
      ? [{ single, difference: TEN_THOUSAND * (rounded - single) }]
      : [];
  });
  if (pairs.length === 0) return '–';
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
  const differences = pairs.map(({ difference }) => difference);
  const largest = differences.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most));
  return (
    `${mean(pairs.map(({ single }) => single)).toFixed(4)} ` +
    `(${signed(mean(differences))}${pairs.length > 1 ? `, at most ${signed(largest)}` : ''})`
  );
}
