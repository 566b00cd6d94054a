import type { ScoreBins } from '../evaluation/score-bins.js';
import { html, type Html } from '../charts/html.js';
import { linePlot, type LinePlot, type Series } from '../charts/plot.js';
import { collectKeys, shownScores, type ReportedRun } from './reported-run.js';

/** A chart to draw for every output. */
export interface OutputChart extends Omit<LinePlot, 'series' | 'marked' | 'guide'> {
  /** Computes the points from the binned predictions of an output. */
  computePoints(bins: ScoreBins): Series['points'];
  /** Computes the dashed reference line. */
  computeGuide?(series: readonly Series[]): LinePlot['guide'];
}

/** Draws each chart for every output with predictions: one line per split of a single run, or one line per run. */
export function chartsByOutput(runs: readonly ReportedRun[], charts: readonly OutputChart[]): Html | undefined {
  const shown = shownScores(runs);
  const drawn: Html[] = [];
  for (const output of collectKeys(shown.map(({ outputs }) => outputs))) {
    for (const { computePoints, computeGuide, title, ...look } of charts) {
      // A run without this output keeps its color and draws nothing.
      const series = shown.map(({ name, outputs }) => ({
        name,
        points: outputs[output] === undefined ? [] : computePoints(outputs[output]),
      }));
      if (series.some(({ points }) => points.length > 1))
        drawn.push(linePlot({ ...look, title: `${output}: ${title}`, series, guide: computeGuide?.(series) }));
    }
  }
  return drawn.length === 0 ? undefined : html`<div class="charts">${drawn}</div>`;
}
