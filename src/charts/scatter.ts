import { buildAxes, type Axis } from './axes.js';
import type { Html } from './html.js';
import { intervalMarks, lineMark, pointMarks, renderSvg, type Interpolation, type Point } from './marks.js';
import { BAR_STEP, colorOf, renderFigure, HEIGHT, valuesOf, WIDTH } from './plot.js';

/** Points that look alike. */
export interface PointGroup {
  readonly name: string;
  /** Whether its points are rings, in the color of the axes. */
  readonly isAside?: boolean;
  readonly points: readonly Point[];
}

/** A chart of points. */
export interface ScatterPlot {
  readonly title: string;
  readonly x: Axis;
  /** Or names, from the top down, of which a point's `y` is one, from 0 on. */
  readonly y: Axis | readonly string[];
  readonly groups: readonly PointGroup[];
  /** A line through places. */
  readonly line?: { readonly name: string; readonly interpolate: Interpolation; readonly points: readonly Point[] };
}

/** Height of a name with its points, in bars. */
const ROW = 1.75;
const ASIDE = 'var(--line)';

/** Draws points, and names their groups below where there are several. */
export function scatterPlot({ title, x, y, groups, line }: ScatterPlot): Html {
  const shown = groups.filter(({ points }) => points.length > 0);
  const [xs, ys] = valuesOf([...shown.map(({ points }) => points), line?.points ?? []]);
  const isNamed = 'map' in y;
  const axes = buildAxes({
    width: WIDTH,
    // Few names leave room for points beside each other.
    ...(!isNamed && { height: HEIGHT }),
    x: { ...x, values: xs },
    y: isNamed ? { names: y, step: (BAR_STEP * ROW * Math.max(2, y.length)) / y.length } : { ...y, values: ys },
    grid: 'both',
  });
  const chart = renderSvg(axes, [
    ...(line === undefined ? [] : [lineMark(axes, line.points, { color: colorOf(1), interpolate: line.interpolate })]),
    ...shown.flatMap(({ isAside = false, points }) => [
      intervalMarks(axes, points, isAside ? ASIDE : colorOf(0)),
      isAside
        ? pointMarks(axes, points, { color: ASIDE, radius: 2.9, ring: 1.25 })
        : pointMarks(axes, points, { color: colorOf(0), radius: 3.3, opacity: 0.75 }),
    ]),
  ]);
  const legend = [
    ...shown.map(({ name, isAside = false }) => ({ name, color: isAside ? ASIDE : colorOf(0) })),
    ...(line === undefined ? [] : [{ name: line.name, color: colorOf(1) }]),
  ];
  return renderFigure(title, chart, legend.length > 1 ? legend : []);
}
