import { count } from '../text/number-text.js';
import { html, tableOf, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { namesIn, shownScores, type ShownScores } from './reported-run.js';
import type { Section } from './section.js';

/** How many positives each space has, and how many were predicted. */
export const funnel: Section = {
  title: 'Funnel',
  about:
    'Positives that came and positives that were predicted, on all rows of a space. Those of a funnel are the first label and the products down the chain (ctcvr).',
  draw(runs) {
    const parts = shownScores(runs).map(funnelOf);
    return parts.some((part) => part !== undefined) ? html`${parts}` : undefined;
  },
};

function funnelOf({ name, outputs: spaces }: ShownScores): Html | undefined {
  const names = namesIn([spaces]);
  if (names.length === 0) return undefined;
  // What is measured on the rows of a label alone, or on all rows with another label's, is no stage of the funnel.
  const rows = Math.max(...names.map((space) => spaces[space]!.rows));
  const stages = names.filter((space) => spaces[space]!.rows === rows && !space.endsWith('_all'));
  const bars = stages.flatMap((space) => [
    { name: space, value: spaces[space]!.positives, series: 0 },
    { name: space, value: spaces[space]!.predicted, series: 1 },
  ]);
  const chart = barPlot({
    title: `${name}: ${count(rows)} rows`,
    axis: { title: 'positives', format: '~s', zero: true },
    bars,
    series: ['observed', 'predicted'],
  });
  const line = (space: string): readonly string[] => {
    const { rows: own, positives, predicted } = spaces[space]!;
    return [
      space,
      count(own),
      count(positives),
      count(predicted),
      positives === 0 ? '-' : (predicted / positives).toFixed(3),
    ];
  };
  return html`<div class="beside">${chart}${tableOf([name, 'rows', 'observed', 'predicted', 'predicted / observed'], names.map(line))}</div>`;
}
