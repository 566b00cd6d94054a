import { renderPath, pixels, type Axes } from './axes.js';
import { html, type Html } from './html.js';

/** A point with an optional interval in y. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** How a line connects two points. */
export type Interpolation = 'linear' | 'step-after' | 'step-before';

/** Dash pattern of reference lines. */
export const GUIDE = [4, 4] as const;

/** Renders a line through points in order; a non-finite point interrupts it. */
export function lineMark(
  axes: Axes,
  points: readonly Point[],
  {
    color,
    dash = [1, 0],
    interpolate = 'linear',
  }: { readonly color: string; readonly dash?: readonly number[]; readonly interpolate?: Interpolation },
): Html {
  const dashes = dash[1] === 0 ? undefined : html` stroke-dasharray="${dash.join(' ')}"`;
  return renderPath([buildPath(axes, points, interpolate)], html`stroke="${color}" stroke-width="1.75"${dashes}`);
}

/** Builds the path data. A single point is closed, so that it is visible. */
function buildPath({ x, y }: Axes, points: readonly Point[], interpolate: Interpolation): string {
  let path = '';
  let isFirst = true;
  let isSinglePoint = false;
  let lastX = '';
  let lastY = '';
  for (let i = 0; i < points.length; i++) {
    const point = points[i]!;
    const px = x(point.x);
    const py = y(point.y);
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      if (isSinglePoint) path += 'Z';
      isFirst = true;
      isSinglePoint = false;
      continue;
    }
    const currentX = pixels(px);
    const currentY = pixels(py);
    if (isFirst) path += `M${currentX},${currentY}`;
    else if (interpolate === 'linear') path += `L${currentX},${currentY}`;
    else if (interpolate === 'step-after') path += `L${currentX},${lastY}L${currentX},${currentY}`;
    else path += `L${lastX},${currentY}L${currentX},${currentY}`;
    isSinglePoint = isFirst;
    isFirst = false;
    lastX = currentX;
    lastY = currentY;
  }
  return isSinglePoint ? `${path}Z` : path;
}

/** Renders points as disks or rings. */
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
  const placed = points.map((point) => [x(point.x), y(point.y)] as const).filter(([px, py]) => areFinite(px, py));
  const look =
    ring === undefined ? html`fill="${color}" opacity="${opacity}"` : html`stroke="${color}" stroke-width="${ring}"`;
  const circles = placed.map(([px, py]) => html`<circle cx="${pixels(px)}" cy="${pixels(py)}" r="${radius}"/>`);
  return html`<g ${look}>${circles}</g>`;
}

/** Renders the intervals of points that have one. */
export function intervalMarks({ x, y }: Axes, points: readonly Point[], color: string): Html {
  const placed = points
    .flatMap(({ x: value, low, high }) =>
      low === undefined || high === undefined ? [] : [[x(value), y(low), y(high)] as const],
    )
    .filter((place) => areFinite(...place));
  return renderPath(
    placed.map(([px, from, to]) => `M${pixels(px)},${pixels(from)}V${pixels(to)}`),
    html`stroke="${color}" opacity="0.6"`,
  );
}

/** Renders a bar from 0 to a value, with a tooltip. */
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
  if (!areFinite(from, to)) return html``;
  const size = html`width="${pixels(to - from)}" height="${pixels(height)}"`;
  const tooltip = html`<title>${name}: ${value}</title>`;
  return html`<rect x="${pixels(from)}" y="${pixels(top)}" ${size} fill="${color}">${tooltip}</rect>`;
}

/** Renders a chart: axes first, marks over them. */
export function renderSvg(
  { width, height, markup }: Pick<Axes, 'width' | 'height' | 'markup'>,
  marks: readonly Html[],
): Html {
  const [w, h] = [pixels(width), pixels(height)];
  const size = html`width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"`;
  const look = html`fill="none" font-family="system-ui, sans-serif"`;
  return html`<svg xmlns="http://www.w3.org/2000/svg" ${size} ${look}>${markup}${marks}</svg>`;
}

const areFinite = (...places: readonly number[]): boolean => places.every(Number.isFinite);
