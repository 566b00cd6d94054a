import { buildAxes, renderPath, pixels } from '../charts/axes.js';
import { html } from '../charts/html.js';
import { barMark, renderSvg } from '../charts/marks.js';
import { BAR_GAP, BAR_STEP, getColor } from '../charts/plot.js';
import { onPaper } from '../charts/style.js';
import type { Importance } from './ranking.js';

/** Width of a panel, and heights of the title and of each panel header, in pixels. */
const [PANEL_WIDTH, TITLE, HEADER] = [232, 30, 20];

/**
 * Renders a bar chart as SVG: one row per field or group, one panel per measure, each bar with its interval. Measures
 * are not comparable, so each panel has its own scale.
 * @param measures in panel order
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
    const drops = importances.flatMap(({ drops: all }, row) =>
      all[measure] == null ? [] : [{ row, ...all[measure] }],
    );
    const x = {
      title: 'drop',
      values: [0, ...drops.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean])],
    };
    // Only the first panel shows the names.
    const y = { names: m === 0 ? names : names.map(() => ''), step: BAR_STEP };
    const nameWidth = buildAxes({ width: PANEL_WIDTH, x, y }).left;
    const axes = buildAxes({ width: PANEL_WIDTH + (m === 0 ? nameWidth : 0), x, y, grid: 'x' });
    const bars = drops.map(({ row, mean }) =>
      barMark(axes, {
        name: names[row]!,
        value: mean,
        top: axes.y(row) - (BAR_STEP - BAR_GAP) / 2,
        height: BAR_STEP - BAR_GAP,
        color: getColor(0),
      }),
    );
    const intervals = drops.flatMap(({ row, low, high }) =>
      low == null || high == null ? [] : [`M${pixels(axes.x(low))},${pixels(axes.y(row))}H${pixels(axes.x(high))}`],
    );
    const center = (axes.left + axes.right) / 2;
    const look = html`font-size="12" fill="var(--ink)" text-anchor="middle"`;
    const header = html`<text x="${center}" y="-4" ${look}>${measure}</text>`;
    const intervalPath = renderPath(intervals, html`stroke="var(--ink)"`);
    const offset = html`transform="translate(${width},${TITLE + HEADER})"`;
    const panel = html`<g ${offset}>${header}${axes.markup}${bars}${intervalPath}</g>`;
    width += axes.width;
    height = TITLE + HEADER + axes.height;
    return panel;
  });
  const look = html`font-size="13" font-weight="600" fill="var(--ink)" text-anchor="middle"`;
  const titleText = html`<text x="${width / 2}" y="20" ${look}>${title}</text>`;
  const background = html`<rect width="100%" height="100%" fill="var(--paper)"/>${titleText}`;
  return onPaper(renderSvg({ width, height, markup: background }, panels).markup);
}
