import { buildAxes, type Axis } from './axes.js';
import type { Html } from './html.js';
import { intervalMarks, lineMark, pointMarks, renderSvg, type Interpolation, type Point } from './marks.js';
import { BAR_STEP, getColor, renderFigure, HEIGHT, collectValues, WIDTH } from './plot.js';

/** Points with a common style. */
export interface PointGroup {
  readonly name: string;
  /** Whether to draw rings in the color of the axes. */
  readonly isMuted?: boolean;
  readonly points: readonly Point[];
}

/** Contents of a scatter plot. */
export interface ScatterPlot {
  readonly title: string;
  readonly x: Axis;
  /** An axis, or row names from the top down, which a point's `y` indexes. */
  readonly y: Axis | readonly string[];
  readonly groups: readonly PointGroup[];
  readonly line?: { readonly name: string; readonly interpolate: Interpolation; readonly points: readonly Point[] };
}

/** Height of a row, in bars. */
const BARS_PER_ROW = 1.75;
const MUTED = 'var(--line)';

/** Renders a scatter plot, with a legend if there are several groups. */
export function scatterPlot({ title, x, y, groups, line }: ScatterPlot): Html {
  const shown = groups.filter(({ points }) => points.length > 0);
  const [xs, ys] = collectValues([...shown.map(({ points }) => points), line?.points ?? []]);
  const isNamed = 'map' in y;
  const axes = buildAxes({
    width: WIDTH,
    // Few rows are taller, so that points fit side by side.
    ...(!isNamed && { height: HEIGHT }),
    x: { ...x, values: xs },
    y: isNamed
      ? { names: y, step: (BAR_STEP * BARS_PER_ROW * Math.max(2, y.length)) / y.length }
      : { ...y, values: ys },
    grid: 'both',
  });
  const chart = renderSvg(axes, [
    ...(line === undefined ? [] : [lineMark(axes, line.points, { color: getColor(1), interpolate: line.interpolate })]),
    ...shown.flatMap(({ isMuted = false, points }) => [
      intervalMarks(axes, points, isMuted ? MUTED : getColor(0)),
      isMuted
        ? pointMarks(axes, points, { color: MUTED, radius: 2.9, ring: 1.25 })
        : pointMarks(axes, points, { color: getColor(0), radius: 3.3, opacity: 0.75 }),
    ]),
  ]);
  const legend = [
    ...shown.map(({ name, isMuted = false }) => ({ name, color: isMuted ? MUTED : getColor(0) })),
    ...(line === undefined ? [] : [{ name: line.name, color: getColor(1) }]),
  ];
  return renderFigure(title, chart, legend.length > 1 ? legend : []);
}
