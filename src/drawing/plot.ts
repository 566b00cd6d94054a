import type { TopLevelSpec } from 'vega-lite';
import { drawChart } from '../chart.js';
import { printable } from '../errors.js';
import { html, type Html } from './html.js';

/** Size of a chart with its axes, in pixels: it fits on a phone. */
export const [WIDTH, HEIGHT] = [340, 235];
/** Height of a bar with its gap. */
export const BAR_STEP = 16;
/** Colors that there are (--c1, --c2, … of the page); further ones begin anew, with dashes. */
const COLORS = 6;
const DASHES: readonly (readonly number[])[] = [[1, 0], [5, 3], [2, 2]];
/** Characters of a name that a chart shows. */
const NAME = 28;

/** The color of a series, from 0 on. */
export const colorOf = (series: number): string => `var(--c${(series % COLORS) + 1})`;
const dashOf = (series: number): readonly number[] => DASHES[Math.floor(series / COLORS) % DASHES.length]!;

/** Points of one color. */
export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly low?: number; readonly high?: number }[];
}

/** An axis: what it says, how its numbers are written (d3-format), and its scale. */
export interface Axis {
  readonly title: string;
  readonly format?: string;
  readonly type?: 'linear' | 'log';
  readonly domain?: readonly [number, number];
  /** Whether it begins at 0. */
  readonly zero?: boolean;
  /** What a tick says, as a Vega expression over `datum.value`. */
  readonly label?: string;
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
  readonly interpolate?: 'linear' | 'step-after';
  /** A dashed line from one place to another: what chance, or a perfect model, would give. */
  readonly guide?: readonly (readonly [x: number, y: number])[] | undefined;
  /** Places that are marked with a ring. */
  readonly marked?: readonly { readonly x: number; readonly y: number; readonly series: number }[];
}

/** What all charts have in common. */
export const look = {
  background: 'transparent',
  padding: 4,
  config: {
    font: 'system-ui, sans-serif',
    aria: false,
    view: { stroke: null },
    axis: { labelColor: 'var(--muted)', titleColor: 'var(--muted)', gridColor: 'var(--grid)', domainColor: 'var(--line)', tickColor: 'var(--line)', titleFontWeight: 'normal', labelFontSize: 11, titleFontSize: 12, labelOverlap: true },
    axisX: { grid: false },
    axisY: { domain: false, ticks: false },
  },
} as const;

/** Draws lines, and names them below. */
export async function linePlot({ title, x, y, series, points = false, interpolate = 'linear', guide, marked = [] }: LinePlot): Promise<Html> {
  const values = series.flatMap(({ points: all }, s) => all.map((point, order) => ({ s, order, ...point })));
  const numbers = series.map((_, s) => s);
  const color = { field: 's', type: 'nominal', scale: { domain: numbers, range: numbers.map(colorOf) }, legend: null } as const;
  const dash = { field: 's', type: 'nominal', scale: { domain: numbers, range: numbers.map(dashOf) }, legend: null } as const;
  const [xs, ys] = [channelOf('x', x), channelOf('y', y)];
  const spec = {
    ...look,
    width: WIDTH,
    height: HEIGHT,
    autosize: { type: 'fit', contains: 'padding' },
    layer: [
      ...(guide === undefined ? [] : [{ data: { values: guide.map(([gx, gy]) => ({ x: gx, y: gy })) }, mark: { type: 'line', color: 'var(--line)', strokeDash: [4, 4] }, encoding: { x: xs, y: ys } }]),
      { data: { values }, mark: { type: 'line', strokeWidth: 1.75, interpolate }, encoding: { x: xs, y: ys, color, strokeDash: dash, order: { field: 'order', type: 'quantitative' } } },
      ...(points ? [{ data: { values }, mark: { type: 'point', filled: true, size: 22, opacity: 1 }, encoding: { x: xs, y: ys, color } }] : []),
      ...(values.some(({ low }) => low !== undefined) ? [{ data: { values }, mark: { type: 'rule', opacity: 0.6 }, encoding: { x: xs, y: { ...ys, field: 'low' }, y2: { field: 'high' }, color } }] : []),
      ...(marked.length > 0 ? [{ data: { values: marked.map(({ series: s, ...place }) => ({ s, ...place })) }, mark: { type: 'point', size: 90, strokeWidth: 2 }, encoding: { x: xs, y: ys, color } }] : []),
    ],
  };
  return figure(title, await draw(spec), series.length > 1 ? series.map(({ name }) => name) : []);
}

/** A chart of bars that lie. */
export interface BarPlot {
  readonly title: string;
  readonly axis: Axis;
  /** From the top down. */
  readonly bars: readonly { readonly name: string; readonly value: number; readonly series?: number; /** A tick across it, to see it against. */ readonly tick?: number }[];
  /** Names of the series, where bars of several stand side by side. */
  readonly series?: readonly string[];
  /** A line across all of them. */
  readonly guide?: number;
}

/** Draws bars, and names their colors below. */
export async function barPlot({ title, axis, bars, series = [''], guide }: BarPlot): Promise<Html> {
  // Names are data; two that are cut to the same stay two bars.
  const names = [...new Set(bars.map(({ name }) => name))];
  const numbers = series.map((_, s) => s);
  const values = bars.map(({ name, value, series: s = 0, tick }) => ({ n: names.indexOf(name), s, x: value, ...(tick !== undefined && { tick }) }));
  const y = { field: 'n', type: 'nominal', title: null, axis: { labelExpr: `${JSON.stringify(names.map((name) => shortened(name)))}[datum.value]`, labelLimit: 170, labelOverlap: false, labelPadding: 4 } } as const;
  const spec = {
    ...look,
    width: WIDTH,
    height: BAR_STEP * names.length * (series.length + (series.length > 1 ? 0.5 : 0)),
    autosize: { type: 'fit-x', contains: 'padding' },
    layer: [
      { data: { values }, mark: { type: 'bar' }, encoding: { y, ...(series.length > 1 && { yOffset: { field: 's', type: 'nominal' } }), x: { ...channelOf('x', axis), axis: { ...channelOf('x', axis).axis, grid: true } }, color: { field: 's', type: 'nominal', scale: { domain: numbers, range: numbers.map(colorOf) }, legend: null } } },
      ...(values.some(({ tick }) => tick !== undefined) ? [{ data: { values }, mark: { type: 'tick', color: 'var(--ink)', thickness: 2 }, encoding: { y, x: { field: 'tick', type: 'quantitative' } } }] : []),
      ...(guide === undefined ? [] : [{ data: { values: [{}] }, mark: { type: 'rule', color: 'var(--ink)', strokeDash: [4, 4] }, encoding: { x: { datum: guide, type: 'quantitative' } } }]),
    ],
  };
  return figure(title, await draw(spec), series.length > 1 ? series : []);
}

/** A name as a chart has room for it. */
export function shortened(name: string): string {
  return printable(name, NAME);
}

/** The encoding of an axis. */
export function channelOf(field: 'x' | 'y', { title, format, type = 'linear', domain, zero = false, label }: Axis) {
  return {
    field,
    type: 'quantitative',
    axis: { title, tickCount: 5, ...(format !== undefined && { format }), ...(label !== undefined && { labelExpr: label }) },
    scale: { type, ...(type === 'linear' && { zero, nice: domain === undefined }), ...(domain !== undefined && { domain: [...domain] }) },
  } as const;
}

/** Draws a chart as SVG. */
export async function draw(spec: object): Promise<Html> {
  // Its type is a union so wide that the compiler takes long over literals.
  const svg = await drawChart(spec as TopLevelSpec);
  // A tenth of a pixel is enough.
  return { markup: svg.replace(/ (d|transform|x2|y2)="[^"]*"/g, (attribute) => attribute.replace(/\d+\.\d{2,}/g, (number) => String(Number(Number(number).toFixed(1))))) };
}

function figure(title: string, chart: Html, series: readonly string[]): Html {
  return figureOf(title, chart, series.map((name, s) => ({ name: shortened(name), color: colorOf(s), dash: dashOf(s) })));
}

/** A chart with its title above and what its colors mean below; one that is `wide` keeps its size and scrolls. */
export function figureOf(title: string, chart: Html, legend: readonly { readonly name: string; readonly color: string; readonly dash?: readonly number[] }[], kind: 'chart' | 'wide' = 'chart'): Html {
  const swatch = (color: string, dash: readonly number[]): Html => ({ markup: `<svg class="swatch" width="18" height="8"><line x1="0" x2="18" y1="4" y2="4" stroke="${color}" stroke-width="3" stroke-dasharray="${dash.join(' ')}"/></svg>` });
  const below = legend.length === 0 ? undefined : html`<div class="legend">${legend.map(({ name, color, dash = DASHES[0]! }) => html`<span>${swatch(color, dash)}${name}</span>`)}</div>`;
  return html`<figure role="group"><figcaption>${title}</figcaption><div class="${kind}" role="img" aria-label="${title}">${chart}</div>${below}</figure>`;
}
