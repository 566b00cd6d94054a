import { renderPath, pixels, type Axes } from './axes.js';
import { html, type Html } from './html.js';

/** A place in a chart, with its interval upwards and downwards where it has one. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** How a line goes on between two points: straight, or level until the next or from the last on. */
export type Interpolation = 'linear' | 'step-after' | 'step-before';

/** Dashes of what a line is held against. */
export const GUIDE = [4, 4] as const;

/** A line through points, in their order; it ends and begins anew where there is no place for one. */
export function lineMark(
  axes: Axes,
  points: readonly Point[],
  {
    color,
    dash = [1, 0],
    interpolate = 'linear',
  }: { readonly color: string; readonly dash?: readonly number[]; readonly interpolate?: Interpolation },
): Html {
  return renderPath(
    [courseOf(axes, points, interpolate)],
    html`stroke="${color}" stroke-width="1.75"${dash[1] === 0 ? undefined : html` stroke-dasharray="${dash.join(' ')}"`}`,
  );
}

/** The course of a line, as a path says it; one that is a single point is closed, so that it shows. */
function courseOf({ x, y }: Axes, points: readonly Point[], interpolate: Interpolation): string {
  let course = '';
  let isFirst = true;
  let isAlone = false;
  let beforeX = '';
  let beforeY = '';
  for (let i = 0; i < points.length; i++) {
    const point = points[i]!;
    const px = x(point.x);
    const py = y(point.y);
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      if (isAlone) course += 'Z';
      isFirst = true;
      isAlone = false;
      continue;
    }
    const atX = pixels(px);
    const atY = pixels(py);
    if (isFirst) course += `M${atX},${atY}`;
    else if (interpolate === 'linear') course += `L${atX},${atY}`;
    else if (interpolate === 'step-after') course += `L${atX},${beforeY}L${atX},${atY}`;
    else course += `L${beforeX},${atY}L${atX},${atY}`;
    isAlone = isFirst;
    isFirst = false;
    beforeX = atX;
    beforeY = atY;
  }
  return isAlone ? `${course}Z` : course;
}

/** Points as discs, or as rings. */
export function pointMarks(
  { x, y }: Axes,
  points: readonly Point[],
  {
    color,
    radius,
    ring,
    opacity = 1,
  }: {
    readonly color: string;
    readonly radius: number;
    /** Width of the ring. */ readonly ring?: number;
    readonly opacity?: number;
  },
): Html {
  const placed = points.map((point) => [x(point.x), y(point.y)] as const).filter(([px, py]) => isPlaced(px, py));
  const look =
    ring === undefined ? html`fill="${color}" opacity="${opacity}"` : html`stroke="${color}" stroke-width="${ring}"`;
  return html`<g ${look}>${placed.map(([px, py]) => html`<circle cx="${pixels(px)}" cy="${pixels(py)}" r="${radius}"/>`)}</g>`;
}

/** The intervals of those points that have one. */
export function intervalMarks({ x, y }: Axes, points: readonly Point[], color: string): Html {
  const placed = points
    .flatMap(({ x: at, low, high }) =>
      low === undefined || high === undefined ? [] : [[x(at), y(low), y(high)] as const],
    )
    .filter((place) => isPlaced(...place));
  return renderPath(
    placed.map(([px, from, to]) => `M${pixels(px)},${pixels(from)}V${pixels(to)}`),
    html`stroke="${color}" opacity="0.6"`,
  );
}

/** A bar from 0 to a value, that says what it is to who points at it. */
export function barMark(
  { x }: Axes,
  {
    name,
    value,
    top,
    height,
    color,
  }: {
    readonly name: string;
    readonly value: number;
    readonly top: number;
    readonly height: number;
    readonly color: string;
  },
): Html {
  const [from, to] = [x(0), x(value)].sort((a, b) => a - b) as [number, number];
  if (!isPlaced(from, to)) return html``;
  return html`<rect x="${pixels(from)}" y="${pixels(top)}" width="${pixels(to - from)}" height="${pixels(height)}" fill="${color}"><title>${name}: ${value}</title></rect>`;
}

/** A chart of its axes and of what is drawn over them. */
export function renderSvg(
  { width, height, markup }: Pick<Axes, 'width' | 'height' | 'markup'>,
  marks: readonly Html[],
): Html {
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${pixels(width)}" height="${pixels(height)}" viewBox="0 0 ${pixels(width)} ${pixels(height)}" fill="none" font-family="system-ui, sans-serif">${markup}${marks}</svg>`;
}

const isPlaced = (...places: readonly number[]): boolean => places.every(Number.isFinite);
