import { format as formatOf } from 'd3-format';
import { scaleLinear, scaleLog } from 'd3-scale';
import { html, type Html } from './html.js';

/** An axis: title, number format (d3-format) and scale. */
export interface Axis {
  readonly title: string;
  readonly format?: string;
  readonly type?: 'linear' | 'log';
  readonly domain?: readonly [number, number];
  /** Whether the domain includes 0. */
  readonly zero?: boolean;
  /** Formats a tick in place of `format`. */
  readonly label?: (value: number) => string;
}

/** An axis with the values drawn along it. */
export interface AxisWithValues extends Axis {
  readonly values: readonly number[];
}

/** Named rows of equal height, from the top down. */
export interface Rows {
  readonly names: readonly string[];
  readonly step: number;
}

/** The layout of a chart: scales and edges in pixels. */
export interface Axes {
  readonly width: number;
  readonly height: number;
  x(value: number): number;
  /** For rows: the center of the row with this index. */
  y(value: number): number;
  /** Edges of the plot area. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Axes and grid, drawn first. */
  readonly markup: Html;
}

interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Approximate number of ticks per axis. */
const TICKS = 5;
/** Font sizes in pixels. */
const [LABEL, TITLE] = [11, 12];
/** Margins in pixels: around a chart, between an axis and its labels, and the height of a line of text. */
const [EDGE, GAP, LINE] = [6, 6, 16];
/** Maximum width of a row name in pixels. */
const MAX_NAME_WIDTH = 170;

/**
 * Lays out the axes of a chart. Without `height`, the rows determine it.
 * @param y values from the bottom up, or rows from the top down
 * @param grid axes with grid lines
 */
export function buildAxes({
  width,
  height,
  x,
  y,
  grid = 'y',
}: {
  readonly width: number;
  readonly height?: number;
  readonly x: AxisWithValues;
  readonly y: AxisWithValues | Rows;
  readonly grid?: 'x' | 'y' | 'both';
}): Axes {
  const below = LINE + GAP + (x.title === '' ? 0 : LINE);
  const isRows = 'names' in y;
  const outer = height ?? EDGE + below + (isRows ? y.step * y.names.length : 0);
  const [top, bottom] = [EDGE, outer - below];
  const rows = isRows ? rowScale(y, top) : createScale(y)([bottom, top]);
  const title = isRows ? '' : y.title;
  const columnScale = createScale(x);
  // Half of the first and last label extends floor the axis.
  const ends = columnScale([0, width]).ticks;
  const halfWidth = (tick: Tick | undefined): number => (tick === undefined ? 0 : textWidth(tick.text, LABEL) / 2);
  const left =
    EDGE +
    Math.max(
      halfWidth(ends[0]),
      (title === '' ? 0 : LINE) + Math.max(0, ...rows.ticks.map(({ text }) => textWidth(text, LABEL))) + GAP,
    );
  const right = width - EDGE - halfWidth(ends.at(-1));
  const columns = columnScale([left, right]);
  const isLabeled = ({ text }: Tick): boolean => text !== '';
  const across =
    grid === 'x' ? [] : rows.ticks.filter(isLabeled).map(({ at }) => `M${pixels(left)},${pixels(at)}H${pixels(right)}`);
  const upright =
    grid === 'y'
      ? []
      : columns.ticks.filter(isLabeled).map(({ at }) => `M${pixels(at)},${pixels(top)}V${pixels(bottom)}`);
  const marks = columns.ticks.map(({ at }) => `M${pixels(at)},${pixels(bottom)}v4`);
  const baseline = `M${pixels(left)},${pixels(bottom)}H${pixels(right)}`;
  const rowLabels = thinTicks(rows.ticks, () => LABEL).map(
    ({ at, text }) => html`<text x="${pixels(left - GAP)}" y="${pixels(at + LABEL / 3)}">${text}</text>`,
  );
  const columnLabels = thinTicks(columns.ticks, (text) => textWidth(text, LABEL) + GAP).map(
    ({ at, text }) => html`<text x="${pixels(at)}" y="${pixels(bottom + LINE)}">${text}</text>`,
  );
  const xTitle = html`<text x="${pixels((left + right) / 2)}" y="${pixels(outer - EDGE)}">${x.title}</text>`;
  const rotation = `translate(${TITLE},${pixels((top + bottom) / 2)}) rotate(-90)`;
  const yTitle = html`<text transform="${rotation}">${title}</text>`;
  const titles = [x.title === '' ? undefined : xTitle, title === '' ? undefined : yTitle];
  const gridPath = renderPath([...across, ...upright], html`stroke="var(--grid)"`);
  const markup = html`${gridPath}${renderPath([baseline, ...marks], html`stroke="var(--line)"`)}
<g font-size="${LABEL}" fill="var(--muted)" text-anchor="end">${rowLabels}</g>
<g font-size="${LABEL}" fill="var(--muted)" text-anchor="middle">${columnLabels}</g>
<g font-size="${TITLE}" fill="var(--muted)" text-anchor="middle">${titles}</g>`;
  return { width, height: outer, x: columns.place, y: rows.place, left, right, top, bottom, markup };
}

/** Renders a path, without a limit on its length. */
export function renderPath(parts: readonly string[], look: Html): Html {
  return parts.length === 0 ? html`` : html`<path d="${{ markup: parts.join('') }}" ${look}/>`;
}

/** Formats pixels with one decimal. */
export function pixels(value: number): string {
  const tenths = Math.round(value * 10);
  return tenths >= 0 && tenths < MAX_TENTHS ? (formatted[tenths] ??= String(tenths / 10)) : String(tenths / 10);
}

/** Cached strings for pixels within a chart, by tenths: formatting dominates the time of a chart. */
const MAX_TENTHS = 4000;
const formatted = new Array<string | undefined>(MAX_TENTHS);

/** Truncates a row name to the available width. */
export function truncateName(name: string): string {
  if (textWidth(name, LABEL) <= MAX_NAME_WIDTH) return name;
  const letters = Array.from(name);
  while (letters.length > 1 && textWidth(`${letters.join('')}…`, LABEL) > MAX_NAME_WIDTH) letters.pop();
  return `${letters.join('')}…`;
}

interface Scale {
  place(value: number): number;
  readonly ticks: readonly Tick[];
}

/** Creates a scale for any pixel range; the tick labels do not depend on the range. */
function createScale({
  type = 'linear',
  domain,
  zero = false,
  format,
  label,
  values,
}: AxisWithValues): (range: readonly [number, number]) => Scale {
  const isLog = type === 'log';
  const [low, high] = domain ?? computeExtent(values, isLog, zero);
  const scale = (isLog ? scaleLog() : scaleLinear()).domain([low, high]);
  if (domain === undefined && !isLog) scale.nice(TICKS);
  // Logarithmic scales omit labels that would overlap.
  const text = label ?? (format !== undefined && !isLog ? formatOf(format) : scale.tickFormat(TICKS, format));
  const ticks = scale.ticks(TICKS).map((value) => ({ value, text: text(value) }));
  const [begin, end] = scale.domain() as [number, number]; // as many as it was given
  return (range) => {
    const place = isLog ? createProjection(Math.log(begin), Math.log(end), range) : createProjection(begin, end, range);
    const project = isLog ? (value: number): number => place(Math.log(value)) : place;
    return { place: project, ticks: ticks.map(({ value, text: label }) => ({ at: project(value), text: label })) };
  };
}

/** Maps `begin` to `end` linearly to a pixel range; an empty interval maps to its center. */
function createProjection(
  begin: number,
  end: number,
  [from, to]: readonly [number, number],
): (value: number) => number {
  const span = end - begin;
  return (value) => {
    const share = span === 0 ? 0.5 : (value - begin) / span;
    return from * (1 - share) + to * share;
  };
}

function rowScale({ names, step }: Rows, top: number): Scale {
  const place = (row: number): number => top + (row + 0.5) * step;
  return { place, ticks: names.map((name, row) => ({ at: place(row), text: truncateName(name) })) };
}

/** Returns the smallest and largest drawable value, including 0 if requested. */
function computeExtent(values: readonly number[], isLog: boolean, zero: boolean): readonly [number, number] {
  let [low, high] = zero && !isLog ? [0, 0] : [Infinity, -Infinity];
  const floor = isLog ? 0 : -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // Comparisons with NaN are false.
    if (value < low && value > floor) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : [isLog ? 0.1 : 0, 1];
}

/** Keeps every second, fourth, … tick if labels would overlap. */
function thinTicks(ticks: readonly Tick[], measure: (text: string) => number): readonly Tick[] {
  let visible = ticks.filter(({ text }) => text !== '');
  const overlap = (): boolean =>
    visible.some(
      ({ at, text }, i) =>
        i > 0 && Math.abs(at - visible[i - 1]!.at) < (measure(text) + measure(visible[i - 1]!.text)) / 2,
    );
  while (overlap()) visible = visible.filter((_, i) => i % 2 === 0);
  return visible;
}

/** Estimates the width of a text in pixels without a font; East Asian characters are as wide as high. */
function textWidth(text: string, size: number): number {
  let width = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isSecondHalf = code >= 0xdc00 && code < 0xe000 && i > 0 && text.codePointAt(i - 1)! > 0xffff;
    if (!isSecondHalf) width += code > 0x2e7f ? 1 : 0.58;
  }
  return width * size;
}
