import type { Html } from './html.js';
import { BAR_STEP, channelOf, colorOf, draw, figureOf, HEIGHT, look, shortened, WIDTH, type Axis } from './plot.js';

/** Points that look alike. */
export interface PointGroup {
  readonly name: string;
  /** Whether its points are rings, in the color of the axes. */
  readonly isAside?: boolean;
  readonly points: readonly { readonly x: number; readonly y: number; readonly low?: number; readonly high?: number }[];
}

/** A chart of points. */
export interface ScatterPlot {
  readonly title: string;
  readonly x: Axis;
  /** Or names, from the top down, of which a point's `y` is one, from 0 on. */
  readonly y: Axis | readonly string[];
  readonly groups: readonly PointGroup[];
  /** A line through places. */
  readonly line?: { readonly name: string; readonly interpolate: 'step-after' | 'step-before'; readonly points: readonly { readonly x: number; readonly y: number }[] };
}

/** Height of a name with its points, in bars. */
const ROW = 1.75;
const ASIDE = 'var(--line)';

/** Draws points, and names their groups below where there are several. */
export async function scatterPlot({ title, x, y, groups, line }: ScatterPlot): Promise<Html> {
  const shown = groups.filter(({ points }) => points.length > 0);
  const xs = channelOf('x', x);
  const isNamed = 'map' in y;
  const ys = isNamed
    ? { field: 'y', type: 'nominal', title: null, scale: { domain: y.map((_, n) => n) }, axis: { grid: true, labelExpr: `${JSON.stringify(y.map((name) => shortened(name)))}[datum.value]`, labelLimit: 170, labelOverlap: false, labelPadding: 4 } }
    : channelOf('y', y);
  const spec = {
    ...look,
    width: WIDTH,
    height: isNamed ? Math.max(2, y.length) * BAR_STEP * ROW : HEIGHT,
    autosize: { type: isNamed ? 'fit-x' : 'fit', contains: 'padding' },
    layer: [
      ...(line === undefined ? [] : [{ data: { values: line.points }, mark: { type: 'line', strokeWidth: 1.75, interpolate: line.interpolate, color: colorOf(1) }, encoding: { x: xs, y: ys, order: { field: 'x', type: 'quantitative' } } }]),
      ...shown.flatMap(({ isAside = false, points }) => [
        ...(points.some(({ low }) => low !== undefined) ? [{ data: { values: points.filter(({ low }) => low !== undefined) }, mark: { type: 'rule', opacity: 0.6, color: isAside ? ASIDE : colorOf(0) }, encoding: { x: xs, y: { ...ys, field: 'low' }, y2: { field: 'high' } } }] : []),
        { data: { values: points }, mark: isAside ? { type: 'point', filled: false, size: 26, strokeWidth: 1.25, color: ASIDE, opacity: 1 } : { type: 'point', filled: true, size: 34, opacity: 0.75, color: colorOf(0) }, encoding: { x: xs, y: ys } },
      ]),
    ],
  };
  const legend = [...shown.map(({ name, isAside = false }) => ({ name, color: isAside ? ASIDE : colorOf(0) })), ...(line === undefined ? [] : [{ name: line.name, color: colorOf(1) }])];
  return figureOf(title, await draw(spec), legend.length > 1 ? legend : []);
}
