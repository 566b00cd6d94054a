import { buildAxes, truncateName, pixels, renderPath, type Axis } from './axes.js';
import { html, type Html } from './html.js';
import {
  barMark,
  GUIDE,
  intervalMarks,
  lineMark,
  pointMarks,
  renderSvg,
  type Interpolation,
  type Point,
} from './marks.js';

/** Size of a chart in pixels; it fits on a phone. */
export const [WIDTH, HEIGHT] = [340, 235];
/** Height of a bar including its gap, and of the gap, in pixels. */
export const [BAR_STEP, BAR_GAP] = [16, 3];
/** Number of colors (--c1, --c2, … of the page); further series repeat them with dashes. */
const NUM_COLORS = 6;
const DASHES: readonly (readonly number[])[] = [
  [1, 0],
  [5, 3],
  [2, 2],
];

/** Returns the CSS color of a series by index. */
export const getColor = (series: number): string => `var(--c${(series % NUM_COLORS) + 1})`;
const getDash = (series: number): readonly number[] => DASHES[Math.floor(series / NUM_COLORS) % DASHES.length]!;

/** A line or set of points with one color. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Contents of a line chart. */
export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Whether to draw points with their intervals. */
  readonly points?: boolean;
  readonly interpolate?: Interpolation;
  /** A dashed reference line, such as chance or a perfect model. */
  readonly guide?: readonly (readonly [x: number, y: number])[] | undefined;
  /** Points marked with a ring. */
  readonly marked?: readonly { readonly x: number; readonly y: number; readonly series: number }[];
}

/**
 * Collects a series per name in the values of items, in order of appearance. An item without a number for a name has no
 * point.
 */
export function collectSeries<Item>(
  items: readonly Item[],
  getX: (item: Item) => number,
  getValues: (item: Item) => readonly (readonly [name: string, value: number | null | undefined])[],
): readonly Series[] {
  const points = new Map<string, Point[]>();
  for (const item of items)
    for (const [name, y] of getValues(item)) {
      if (!points.has(name)) points.set(name, []);
      if (typeof y === 'number') points.get(name)!.push({ x: getX(item), y });
    }
  return Array.from(points, ([name, own]) => ({ name, points: own }));
}

/** Renders a line chart with a legend. */
export function linePlot({
  title,
  x,
  y,
  series,
  points = false,
  interpolate = 'linear',
  guide = [],
  marked = [],
}: LinePlot): Html {
  const guidePoints = guide.map(([gx, gy]) => ({ x: gx, y: gy }));
  const [xs, ys] = collectValues([...series.map((one) => one.points), guidePoints]);
  const axes = buildAxes({ width: WIDTH, height: HEIGHT, x: { ...x, values: xs }, y: { ...y, values: ys } });
  const chart = renderSvg(axes, [
    lineMark(axes, guidePoints, { color: 'var(--line)', dash: GUIDE }),
    ...series.map((one, s) => lineMark(axes, one.points, { color: getColor(s), dash: getDash(s), interpolate })),
    ...series.flatMap((one, s) => [
      intervalMarks(axes, one.points, getColor(s)),
      ...(points ? [pointMarks(axes, one.points, { color: getColor(s), radius: 2.6 })] : []),
    ]),
    ...marked.map(({ series: s, ...place }) => pointMarks(axes, [place], { color: getColor(s), radius: 5.4, ring: 2 })),
  ]);
  // A series without points keeps its color but is not in the legend.
  const names = series.map(({ name, points: all }) => (all.length > 0 ? name : undefined));
  return renderWithLegend(title, chart, series.length > 1 ? names : []);
}

/** Collects the values along each axis, including intervals. */
export function collectValues(
  lines: readonly (readonly Point[])[],
): readonly [xs: readonly number[], ys: readonly number[]] {
  const xs: number[] = [];
  const ys: number[] = [];
  for (const points of lines) {
    for (let i = 0; i < points.length; i++) {
      const { x, y, low, high } = points[i]!;
      xs.push(x);
      ys.push(y);
      if (low !== undefined) ys.push(low);
      if (high !== undefined) ys.push(high);
    }
  }
  return [xs, ys];
}

/** Contents of a horizontal bar chart. */
export interface BarPlot {
  readonly title: string;
  readonly axis: Axis;
  /** From the top down. */
  readonly bars: readonly {
    readonly name: string;
    readonly value: number;
    readonly series?: number;
    /** Ends of an interval. */ readonly low?: number | null;
    readonly high?: number | null;
    /** Value of a reference tick. */ readonly tick?: number;
  }[];
  /** Names of the series, if bars of several are grouped. */
  readonly series?: readonly string[];
  /** Value of a reference line across all bars. */
  readonly guide?: number;
}

/** Renders a bar chart with a legend. */
export function barPlot({ title, axis, bars, series = [''], guide }: BarPlot): Html {
  // Compare full names: two names may look equal once truncated.
  const names = [...new Set(bars.map(({ name }) => name))];
  const step = BAR_STEP * (series.length + (series.length > 1 ? 0.5 : 0));
  const values = bars.flatMap(({ value, tick = 0, low, high }) => [value, tick, low ?? 0, high ?? 0]);
  const axes = buildAxes({
    width: WIDTH,
    x: { ...axis, values: [0, guide ?? 0, ...values] },
    y: { names, step },
    grid: 'x',
  });
  const getTop = (name: string, s: number): number => axes.y(names.indexOf(name)) + BAR_STEP * (s - series.length / 2);
  const verticalLine = (value: number, top: number, bottom: number, look: Html): Html => {
    const x = pixels(axes.x(value));
    return html`<line x1="${x}" x2="${x}" y1="${pixels(top)}" y2="${pixels(bottom)}" stroke="var(--ink)" ${look}/>`;
  };
  const chart = renderSvg(axes, [
    ...bars.map(({ name, value, series: s = 0 }) =>
      barMark(axes, {
        name,
        value,
        top: getTop(name, s) + BAR_GAP / 2,
        height: BAR_STEP - BAR_GAP,
        color: getColor(s),
      }),
    ),
    ...bars.flatMap(({ name, series: s = 0, tick }) =>
      tick === undefined
        ? []
        : [verticalLine(tick, getTop(name, s) + 1, getTop(name, s) + BAR_STEP - 1, html`stroke-width="2"`)],
    ),
    renderPath(
      bars.flatMap(({ name, series: s = 0, low, high }) =>
        low == null || high == null
          ? []
          : [`M${pixels(axes.x(low))},${pixels(getTop(name, s) + BAR_STEP / 2)}H${pixels(axes.x(high))}`],
      ),
      html`stroke="var(--ink)"`,
    ),
    ...(guide === undefined
      ? []
      : [verticalLine(guide, axes.top, axes.bottom, html`stroke-dasharray="${GUIDE.join(' ')}"`)]),
  ]);
  return renderWithLegend(title, chart, series.length > 1 ? series : []);
}

function renderWithLegend(title: string, chart: Html, series: readonly (string | undefined)[]): Html {
  const legend = series.flatMap((name, s) =>
    name === undefined ? [] : [{ name: truncateName(name), color: getColor(s), dash: getDash(s) }],
  );
  return renderFigure(title, chart, legend);
}

/** Renders a chart with title and legend; kind `wide` keeps its size and scrolls. */
export function renderFigure(
  title: string,
  chart: Html,
  legend: readonly { readonly name: string; readonly color: string; readonly dash?: readonly number[] }[],
  kind: 'chart' | 'wide' = 'chart',
): Html {
  const swatch = (color: string, dash: readonly number[]): Html => {
    const stroke = `stroke="${color}" stroke-width="3" stroke-dasharray="${dash.join(' ')}"`;
    return {
      markup: `<svg class="swatch" width="18" height="8"><line x1="0" x2="18" y1="4" y2="4" ${stroke}/></svg>`,
    };
  };
  const entries = legend.map(({ name, color, dash = DASHES[0]! }) => html`<span>${swatch(color, dash)}${name}</span>`);
  const below = legend.length === 0 ? undefined : html`<div class="legend">${entries}</div>`;
  const body = html`<div class="${kind}" role="img" aria-label="${title}">${chart}</div>`;
  return html`<figure role="group"><figcaption>${title}</figcaption>${body}${below}</figure>`;
}
