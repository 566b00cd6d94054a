import { html, renderCharts, type Html } from '../charts/html.js';
import { barPlot } from '../charts/plot.js';
import { IMPORTANCE, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';
import { MTL } from '../system/command-name.js';

/** Maximum number of fields per chart; the most important ones come first. */
const MAX_FIELDS = 20;

/** Permutation importance of the fields, or the command that measures it. */
export const drivers: Section = {
  title: 'Drivers',
  about: 'The drop of the metric if the values of a field are permuted, with its 95% interval.',
  draw(runs) {
    const charts = runs.flatMap((run) => drawChart(run, runs.length > 1));
    if (charts.length > 0 || runs.length > 1) return renderCharts(charts);
    const { run, metrics } = runs[0]!.about;
    if (Object.keys(metrics).length === 0) return undefined;
    return html`<p>Not measured yet. To measure it and write this report again:</p>
<pre><code>${MTL} importance ${run} --out ${run}/${IMPORTANCE}
${MTL} report ${run}</code></pre>`;
  },
};

function drawChart({ name, importance }: ReportedRun, isNamed: boolean): readonly Html[] {
  if (importance === undefined) return [];
  const { rank, split, importances } = importance;
  const bars = importances.flatMap(({ name: field, drops }) => {
    const drop = drops[rank];
    return drop == null ? [] : [{ name: field, value: drop.mean, low: drop.low, high: drop.high }];
  });
  if (bars.length === 0) return [];
  const shown = bars.slice(0, MAX_FIELDS);
  const numbers = bars.length > shown.length ? `, the first ${shown.length} of ${bars.length} fields` : '';
  const title = `${isNamed ? `${name}: ` : ''}drop of ${rank} on ${split}${numbers}`;
  return [barPlot({ title, axis: { title: 'drop' }, bars: shown })];
}
