import { count } from '../text/number-text.js';
import { html, renderTable, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { collectOutputs, shownScores, type ShownScores } from './reported-run.js';
import type { Section } from './section.js';

/** Observed and predicted positives per output. */
export const funnel: Section = {
  title: 'Funnel',
  about:
    'Observed and predicted positives over all rows of an output. The stages of a funnel are the first label ' +
    'and the joint probabilities along the chain (ctcvr).',
  draw(runs) {
    const parts = shownScores(runs).map((shown) => drawFunnel(shown, runs.length > 1));
    return parts.some((part) => part !== undefined) ? html`${parts}` : undefined;
  },
};

function drawFunnel({ name, outputs }: ShownScores, isNamed: boolean): Html | undefined {
  const names = collectOutputs([outputs]).main;
  if (names.length === 0) return undefined;
  // An output measured on the rows of one label is no stage of the funnel.
  const rows = Math.max(...names.map((output) => outputs[output]!.rows));
  const stages = names.filter((output) => outputs[output]!.rows === rows);
  const bars = stages.flatMap((output) => [
    { name: output, value: outputs[output]!.positives, series: 0 },
    { name: output, value: outputs[output]!.predicted, series: 1 },
  ]);
  const chart = barPlot({
    title: `${isNamed ? `${name}: ` : ''}${count(rows)} rows`,
    axis: { title: 'positives', format: '~s', zero: true },
    bars,
    series: ['observed', 'predicted'],
  });
  const line = (output: string): readonly string[] => {
    const { rows: own, positives, predicted } = outputs[output]!;
    return [
      output,
      count(own),
      count(positives),
      count(predicted),
      positives === 0 ? '-' : (predicted / positives).toFixed(3),
    ];
  };
  const table = renderTable(['', 'rows', 'observed', 'predicted', 'ratio'], names.map(line));
  return html`<div class="side-by-side">${chart}${table}</div>`;
}
