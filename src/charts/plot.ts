import { buildAxes, fitting, pixels, type Axis } from './axes.js';
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

/** Size of a chart with its axes, in pixels: it fits on a phone. */
export const [WIDTH, HEIGHT] = [340, 235];
/** Height of a bar with its gap, and of the gap. */
export const [BAR_STEP, BAR_GAP] = [16, 3];
/** Colors that there are (--c1, --c2, … of the page); further ones begin anew, with dashes. */
const COLORS = 6;
const DASHES: readonly (readonly number[])[] = [
  [1, 0],
  [5, 3],
  [2, 2],
];

/** The color of a series, from 0 on. */
export const colorOf = (series: number): string => `var(--c${(series % COLORS) + 1})`;
const dashOf = (series: number): readonly number[] => DASHES[Math.floor(series / COLORS) % DASHES.length]!;

/** Points of one color. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

/** A chart of lines. */
export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Beside the line: points, or points with their intervals. */
  readonly points?: boolean;
  /** How a line goes on between two points. */
  readonly interpolate?: Interpolation;
  /** A dashed line from one place to another: what chance, or a perfect model, would give. */
  readonly guide?: readonly (readonly [x: number, y: number])[] | undefined;
  /** Places that are marked with a ring. */
  readonly marked?: readonly { readonly x: number; readonly y: number; readonly series: number }[];
}

/** Draws lines, and names them below. */
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
  const along = guide.map(([gx, gy]) => ({ x: gx, y: gy }));
  const [xs, ys] = valuesOf([...series.map((one) => one.points), along]);
  const axes = buildAxes({ width: WIDTH, height: HEIGHT, x: { ...x, values: xs }, y: { ...y, values: ys } });
  const chart = renderSvg(axes, [
    lineMark(axes, along, { color: 'var(--line)', dash: GUIDE }),
    ...series.map((one, s) => lineMark(axes, one.points, { color: colorOf(s), dash: dashOf(s), interpolate })),
    ...series.flatMap((one, s) => [
      intervalMarks(axes, one.points, colorOf(s)),
      ...(points ? [pointMarks(axes, one.points, { color: colorOf(s), radius: 2.6 })] : []),
    ]),
    ...marked.map(({ series: s, ...place }) => pointMarks(axes, [place], { color: colorOf(s), radius: 5.4, ring: 2 })),
  ]);
  return figure(title, chart, series.length > 1 ? series.map(({ name }) => name) : []);
}

/** All that points say along each axis, their intervals too. */
export function valuesOf(
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

/** A chart of bars that lie. */
export interface BarPlot {
  readonly title: string;
  readonly axis: Axis;
  /** From the top down. */
  readonly bars: readonly {
    readonly name: string;
    readonly value: number;
    readonly series?: number;
    /** A tick across it, to see it against. */ readonly tick?: number;
  }[];
  /** Names of the series, where bars of several stand side by side. */
  readonly series?: readonly string[];
  /** A line across all of them. */
  readonly guide?: number;
}

/** Draws bars, and names their colors below. */
export function barPlot({ title, axis, bars, series = [''], guide }: BarPlot): Html {
  // Names are data; two that are cut to the same stay two bars.
  const names = [...new Set(bars.map(({ name }) => name))];
  const step = BAR_STEP * (series.length + (series.length > 1 ? 0.5 : 0));
  const values = bars.flatMap(({ value, tick = 0 }) => [value, tick]);
  const axes = buildAxes({
    width: WIDTH,
    x: { ...axis, values: [0, guide ?? 0, ...values] },
    y: { names, step },
    grid: 'x',
  });
  const topOf = (name: string, s: number): number => axes.y(names.indexOf(name)) + BAR_STEP * (s - series.length / 2);
  const upright = (at: number, top: number, bottom: number, look: Html): Html =>
    html`<line x1="${pixels(axes.x(at))}" x2="${pixels(axes.x(at))}" y1="${pixels(top)}" y2="${pixels(bottom)}" stroke="var(--ink)" ${look}/>`;
  const chart = renderSvg(axes, [
    ...bars.map(({ name, value, series: s = 0 }) =>
      barMark(axes, { name, value, top: topOf(name, s) + BAR_GAP / 2, height: BAR_STEP - BAR_GAP, color: colorOf(s) }),
    ),
    ...bars.flatMap(({ name, series: s = 0, tick }) =>
      tick === undefined
        ? []
        : [upright(tick, topOf(name, s) + 1, topOf(name, s) + BAR_STEP - 1, html`stroke-width="2"`)],
    ),
    ...(guide === undefined
      ? []
      : [upright(guide, axes.top, axes.bottom, html`stroke-dasharray="${GUIDE.join(' ')}"`)]),
  ]);
  return figure(title, chart, series.length > 1 ? series : []);
}

function figure(title: string, chart: Html, series: readonly string[]): Html {
  return renderFigure(
    title,
    chart,
    series.map((name, s) => ({ name: fitting(name), color: colorOf(s), dash: dashOf(s) })),
  );
}

/** A chart with its title above and what its colors mean below; one that is `wide` keeps its size and scrolls. */
export function renderFigure(
  title: string,
  chart: Html,
  legend: readonly { readonly name: string; readonly color: string; readonly dash?: readonly number[] }[],
  kind: 'chart' | 'wide' = 'chart',
): Html {
  const swatch = (color: string, dash: readonly number[]): Html => ({
    markup: `<svg class="swatch" width="18" height="8"><line x1="0" x2="18" y1="4" y2="4" stroke="${color}" stroke-width="3" stroke-dasharray="${dash.join(' ')}"/></svg>`,
  });
  const below =
    legend.length === 0
      ? undefined
      : html`<div class="legend">${legend.map(({ name, color, dash = DASHES[0]! }) => html`<span>${swatch(color, dash)}${name}</span>`)}</div>`;
  return html`<figure role="group"><figcaption>${title}</figcaption><div class="${kind}" role="img" aria-label="${title}">${chart}</div>${below}</figure>`;
}
