import type { ScoreBins } from '../evaluation/score-bins.js';
import { html, type Html } from '../charts/html.js';
import { linePlot, type LinePlot, type Series } from '../charts/plot.js';
import { namesIn, shownScores, type ReportedRun } from './reported-run.js';

/** A chart that every space has. */
export interface OutputChart extends Omit<LinePlot, 'series' | 'marked' | 'guide'> {
  /** What is drawn of the predictions of a space. */
  pointsOf(bins: ScoreBins): Series['points'];
  /** The dashed line for what is drawn. */
  guideOf?(series: readonly Series[]): LinePlot['guide'];
}

/** The charts of each space that predictions are known of: a line a split of one run, or a line a run. */
export function chartsByOutput(runs: readonly ReportedRun[], charts: readonly OutputChart[]): Html | undefined {
  const shown = shownScores(runs);
  const drawn: Html[] = [];
  for (const space of namesIn(shown.map(({ outputs: spaces }) => spaces))) {
    for (const { pointsOf, guideOf, title, ...look } of charts) {
      // Who has no such space keeps the color, and draws nothing.
      const series = shown.map(({ name, outputs: spaces }) => ({
        name,
        points: spaces[space] === undefined ? [] : pointsOf(spaces[space]),
      }));
      if (series.some(({ points }) => points.length > 1))
        drawn.push(linePlot({ ...look, title: `${space}: ${title}`, series, guide: guideOf?.(series) }));
    }
  }
  return drawn.length === 0 ? undefined : html`<div class="charts">${drawn}</div>`;
}
