import { buildAxes, renderPath, pixels } from '../charts/axes.js';
import { html } from '../charts/html.js';
import { barMark, renderSvg } from '../charts/marks.js';
import { BAR_GAP, BAR_STEP, getColor } from '../charts/plot.js';
import { onPaper } from '../charts/style.js';
import type { Importance } from './ranking.js';

/** Width of a panel, and height of what stands above all of them and above each, in pixels. */
const [PANEL_WIDTH, TITLE, HEADER] = [232, 30, 20];

/**
 * A bar chart as SVG: a line a field or group, a panel a measure, each bar with its interval. What one measure falls by
 * says nothing of another, so
 * that each has a scale of its own.
 * @param measures in the order of the panels
 */
export function importanceChart(
  importances: readonly Importance[],
  measures: readonly string[],
  title: string,
): string {
  const names = importances.map(({ name }) => name);
  let width = 0;
  let height = 0;
  const panels = measures.map((measure, m) => {
    const falls = importances.flatMap(({ falls: all }, row) =>
      all[measure] == null ? [] : [{ row, ...all[measure] }],
    );
    const x = {
      title: 'worse by',
      values: [0, ...falls.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean])],
    };
    // The first has the names of all.
    const y = { names: m === 0 ? names : names.map(() => ''), step: BAR_STEP };
    const room = buildAxes({ width: PANEL_WIDTH, x, y }).left;
    const axes = buildAxes({ width: PANEL_WIDTH + (m === 0 ? room : 0), x, y, grid: 'x' });
    const bars = falls.map(({ row, mean }) =>
      barMark(axes, {
        name: names[row]!,
        value: mean,
        top: axes.y(row) - (BAR_STEP - BAR_GAP) / 2,
        height: BAR_STEP - BAR_GAP,
        color: getColor(0),
      }),
    );
    const intervals = falls.flatMap(({ row, low, high }) =>
      low == null || high == null ? [] : [`M${pixels(axes.x(low))},${pixels(axes.y(row))}H${pixels(axes.x(high))}`],
    );
    const panel = html`<g transform="translate(${width},${TITLE + HEADER})"><text x="${(axes.left + axes.right) / 2}" y="-4" font-size="12" fill="var(--ink)" text-anchor="middle">${measure}</text>${axes.markup}${bars}${renderPath(intervals, html`stroke="var(--ink)"`)}</g>`;
    width += axes.width;
    height = TITLE + HEADER + axes.height;
    return panel;
  });
  const above = html`<rect width="100%" height="100%" fill="var(--paper)"/><text x="${width / 2}" y="20" font-size="13" font-weight="600" fill="var(--ink)" text-anchor="middle">${title}</text>`;
  return onPaper(renderSvg({ width, height, markup: above }, panels).markup);
}
