import { html, renderCharts, renderDetails, type Html } from '../charts/html.js';
import { linePlot, type LinePlot, type Series } from '../charts/plot.js';
import type { collectOutputs, ReportedRun } from './reported-run.js';

/** A family of lines: one per output of a single run, or one per run for each output. */
export interface Family extends Omit<LinePlot, 'series' | 'marked' | 'guide'> {
  /** Returns the line of an output; empty if the run has none. */
  getPoints(run: ReportedRun, output: string): Series['points'];
  /** Returns the x of the point to mark with a ring. */
  getMark?(run: ReportedRun): number | undefined;
  /** Computes the dashed reference line. */
  computeGuide?(series: readonly Series[]): LinePlot['guide'];
}

/** Explains the outputs that are folded. */
export const ALL_ROWS =
  'Conditional tasks measured on all rows, not only on those of their condition. Their rate is lower there, so their ' +
  'calibration and log loss are not those of the task.';

/**
 * Draws one chart per family for a single run, with a line per output; for several, one per output with a line per run.
 * @param others charts that follow them
 */
export function drawFamilies(
  runs: readonly ReportedRun[],
  { main, all }: ReturnType<typeof collectOutputs>,
  families: readonly Family[],
  others: readonly Html[] = [],
): Html | undefined {
  const shown = [...families.flatMap((family) => drawFamily(runs, main, family)), ...others];
  const folded = families.flatMap((family) => drawFamily(runs, all, family));
  if (shown.length + folded.length === 0) return undefined;
  return html`${renderCharts(shown)}${
    folded.length === 0
      ? undefined
      : renderDetails(`On all rows: ${all.join(', ')}`, html`<p class="note">${ALL_ROWS}</p>${renderCharts(folded)}`)
  }`;
}

function drawFamily(
  runs: readonly ReportedRun[],
  outputs: readonly string[],
  { getPoints, getMark, computeGuide, title, ...look }: Family,
): readonly Html[] {
  const lines = outputs.map((output) => runs.map((run) => ({ run, output, points: getPoints(run, output) })));
  // A run or output without points keeps its color and draws nothing.
  const charts = runs.length === 1 ? [lines.flat()] : lines;
  return charts.flatMap((chart) => {
    const series = chart.map(({ run, output, points }) => ({ name: runs.length === 1 ? output : run.name, points }));
    if (!series.some(({ points }) => points.length > 0)) return [];
    const marked = chart.flatMap(({ run, points }, s) =>
      points.filter(({ x }) => x === getMark?.(run)).map(({ x, y }) => ({ x, y, series: s })),
    );
    const [named] = chart;
    return [
      linePlot({
        points: series.every(({ points }) => points.length <= MAX_DOTS),
        ...look,
        title: runs.length === 1 && outputs.length > 1 ? title : `${named!.output}: ${title}`,
        series,
        marked,
        guide: computeGuide?.(series),
      }),
    ];
  });
}

/** Maximum number of points per line that are drawn as dots. */
export const MAX_DOTS = 30;
