import { format as formatOf } from 'd3-format';
import { scaleLinear, scaleLog } from 'd3-scale';
import { html, type Html } from './html.js';

/** An axis: what it says, how its numbers are written (d3-format), and its scale. */
export interface Axis {
  readonly title: string;
  readonly format?: string;
  readonly type?: 'linear' | 'log';
  readonly domain?: readonly [number, number];
  /** Whether it begins at 0. */
  readonly zero?: boolean;
  /** What a tick says, where it is not its number. */
  readonly label?: (value: number) => string;
}

/** An axis, and the numbers that are drawn along it. */
export interface Along extends Axis {
  readonly values: readonly number[];
}

/** Lines of a height each, with their names, from the top down. */
export interface Rows {
  readonly names: readonly string[];
  readonly step: number;
}

/** Where things lie in a chart, in pixels, and its axes. */
export interface Axes {
  readonly width: number;
  readonly height: number;
  x(value: number): number;
  /** The middle of a row is that of its number, from 0 on. */
  y(value: number): number;
  /** The edges of what lies between the axes. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** The axes themselves, to be drawn first. */
  readonly markup: Html;
}

interface Tick {
  readonly at: number;
  readonly text: string;
}

/** About as many ticks has an axis. */
const TICKS = 5;
/** Size of what stands at an axis, and of its title. */
const [LABEL, TITLE] = [11, 12];
/** Room around a chart, between an axis and its labels, and for a line of text. */
const [EDGE, GAP, LINE] = [6, 6, 16];
/** A name takes no more of the width than this. */
const LONGEST_NAME = 170;

/**
 * Lays out the axes of a chart. Without a height, its rows give one.
 * @param y numbers from the bottom up, or rows from the top down
 * @param grid which of the axes have lines across the chart
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
  readonly x: Along;
  readonly y: Along | Rows;
  readonly grid?: 'x' | 'y' | 'both';
}): Axes {
  const below = LINE + GAP + (x.title === '' ? 0 : LINE);
  const isRows = 'names' in y;
  const outer = height ?? EDGE + below + (isRows ? y.step * y.names.length : 0);
  const [top, bottom] = [EDGE, outer - below];
  const rows = isRows ? rowScale(y, top) : scaleOf(y)([bottom, top]);
  const title = isRows ? '' : y.title;
  const columnsOver = scaleOf(x);
  // The first and the last number stand half beyond the ends.
  const ends = columnsOver([0, width]).ticks;
  const halfOf = (tick: Tick | undefined): number => (tick === undefined ? 0 : textWidth(tick.text, LABEL) / 2);
  const left =
    EDGE +
    Math.max(
      halfOf(ends[0]),
      (title === '' ? 0 : LINE) + Math.max(0, ...rows.ticks.map(({ text }) => textWidth(text, LABEL))) + GAP,
    );
  const right = width - EDGE - halfOf(ends.at(-1));
  const columns = columnsOver([left, right]);
  const across = grid === 'x' ? [] : rows.ticks.map(({ at }) => `M${pixels(left)},${pixels(at)}H${pixels(right)}`);
  const upright = grid === 'y' ? [] : columns.ticks.map(({ at }) => `M${pixels(at)},${pixels(top)}V${pixels(bottom)}`);
  const marks = columns.ticks.map(({ at }) => `M${pixels(at)},${pixels(bottom)}v4`);
  const markup = html`${renderPath([...across, ...upright], html`stroke="var(--grid)"`)}${renderPath([`M${pixels(left)},${pixels(bottom)}H${pixels(right)}`, ...marks], html`stroke="var(--line)"`)}
<g font-size="${LABEL}" fill="var(--muted)" text-anchor="end">${apart(rows.ticks, () => LABEL).map(({ at, text }) => html`<text x="${pixels(left - GAP)}" y="${pixels(at + LABEL / 3)}">${text}</text>`)}</g>
<g font-size="${LABEL}" fill="var(--muted)" text-anchor="middle">${apart(columns.ticks, (text) => textWidth(text, LABEL) + GAP).map(({ at, text }) => html`<text x="${pixels(at)}" y="${pixels(bottom + LINE)}">${text}</text>`)}</g>
<g font-size="${TITLE}" fill="var(--muted)" text-anchor="middle">${x.title === '' ? undefined : html`<text x="${pixels((left + right) / 2)}" y="${pixels(outer - EDGE)}">${x.title}</text>`}${title === '' ? undefined : html`<text transform="translate(${TITLE},${pixels((top + bottom) / 2)}) rotate(-90)">${title}</text>`}</g>`;
  return { width, height: outer, x: columns.place, y: rows.place, left, right, top, bottom, markup };
}

/** A path of what is written in numbers, however long it is. */
export function renderPath(parts: readonly string[], look: Html): Html {
  return parts.length === 0 ? html`` : html`<path d="${{ markup: parts.join('') }}" ${look}/>`;
}

/** A number of pixels as it is written: a tenth is enough. */
export function pixels(value: number): string {
  const tenths = Math.round(value * 10);
  return tenths >= 0 && tenths < MAX_TENTHS ? (written[tenths] ??= String(tenths / 10)) : String(tenths / 10);
}

/** Numbers of pixels within a chart come again and again, by tenths: writing one takes longer than all else of it. */
const MAX_TENTHS = 4000;
const written = new Array<string | undefined>(MAX_TENTHS);

/** A name as rows have room for it. */
export function fitting(name: string): string {
  if (textWidth(name, LABEL) <= LONGEST_NAME) return name;
  const letters = Array.from(name);
  while (letters.length > 1 && textWidth(`${letters.join('')}…`, LABEL) > LONGEST_NAME) letters.pop();
  return `${letters.join('')}…`;
}

interface Scale {
  place(value: number): number;
  readonly ticks: readonly Tick[];
}

/** The scale of numbers over any range of pixels: what its ticks say does not depend on it. */
function scaleOf({
  type = 'linear',
  domain,
  zero = false,
  format,
  label,
  values,
}: Along): (range: readonly [number, number]) => Scale {
  const isLog = type === 'log';
  const [low, high] = domain ?? extentOf(values, isLog, zero);
  const scale = (isLog ? scaleLog() : scaleLinear()).domain([low, high]);
  if (domain === undefined && !isLog) scale.nice(TICKS);
  // A scale of logarithms leaves numbers away where they would be too many.
  const text = label ?? (format !== undefined && !isLog ? formatOf(format) : scale.tickFormat(TICKS, format));
  const ticks = scale.ticks(TICKS).map((value) => ({ value, text: text(value) }));
  const [begin, end] = scale.domain() as [number, number]; // as many as it was given
  return (range) => {
    const place = isLog ? placing(Math.log(begin), Math.log(end), range) : placing(begin, end, range);
    const placeOf = isLog ? (value: number): number => place(Math.log(value)) : place;
    return { place: placeOf, ticks: ticks.map(({ value, text: said }) => ({ at: placeOf(value), text: said })) };
  };
}

/**
 * Where numbers lie over a range of pixels, from that of `begin` to that of `end`; in the middle where these are one.
 */
function placing(begin: number, end: number, [from, to]: readonly [number, number]): (value: number) => number {
  const span = end - begin;
  return (value) => {
    const share = span === 0 ? 0.5 : (value - begin) / span;
    return from * (1 - share) + to * share;
  };
}

function rowScale({ names, step }: Rows, top: number): Scale {
  const place = (row: number): number => top + (row + 0.5) * step;
  return { place, ticks: names.map((name, row) => ({ at: place(row), text: fitting(name) })) };
}

/** The least and the largest of what a scale can show, and of 0 where it is wanted. */
function extentOf(values: readonly number[], isLog: boolean, zero: boolean): readonly [number, number] {
  let [low, high] = zero && !isLog ? [0, 0] : [Infinity, -Infinity];
  const beyond = isLog ? 0 : -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // No comparison holds for what is no number.
    if (value < low && value > beyond) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : [isLog ? 0.1 : 0, 1];
}

/** The ticks that say something: every second, fourth, … where texts would touch. */
function apart(ticks: readonly Tick[], sizeOf: (text: string) => number): readonly Tick[] {
  let kept = ticks.filter(({ text }) => text !== '');
  const touch = (): boolean =>
    kept.some(
      ({ at, text }, i) => i > 0 && Math.abs(at - kept[i - 1]!.at) < (sizeOf(text) + sizeOf(kept[i - 1]!.text)) / 2,
    );
  while (touch()) kept = kept.filter((_, i) => i % 2 === 0);
  return kept;
}

/** About the width of a text, since there is no font to ask: letters of the Far East are as wide as they are high. */
function textWidth(text: string, size: number): number {
  let width = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isSecondHalf = code >= 0xdc00 && code < 0xe000 && i > 0 && text.codePointAt(i - 1)! > 0xffff;
    if (!isSecondHalf) width += code > 0x2e7f ? 1 : 0.58;
  }
  return width * size;
}
