import { printable } from '../core/errors.js';
import { renderPath, pixels } from './axes.js';
import { html, type Html } from './html.js';
import { renderSvg } from './marks.js';
import { renderFigure } from './plot.js';

/** Layout in pixels: distance between axes, axis height, and margins above, below, left and right. */
const [STEP, HEIGHT, ABOVE, BELOW, LEFT, RIGHT] = [112, 230, 26, 30, 52, 76];
/** Position of a missing value on an axis. */
const MISSING_POSITION = -0.12;
/** Maximum number of characters of a name and of a label. */
const [NAME, LABEL] = [17, 13];
/** Number of classes with a color, best first (--r1, --r2, … of the page). */
export const NUM_CLASSES = 5;

export interface ParallelAxis {
  readonly name: string;
  /** Labels at positions from 0 (bottom) to 1. */
  readonly labels: readonly { readonly at: number; readonly text: string }[];
}

/** A line: its position on each axis, from 0 to 1; undefined if it has no value there. */
export interface ParallelLine {
  readonly at: readonly (number | undefined)[];
  /** Color index from 0 to NUM_CLASSES - 1; undefined for an unclassified line. */
  readonly class: number | undefined;
}

/** Parallel axes and lines; lines of the first class are on top. */
export interface ParallelPlot {
  readonly title: string;
  readonly axes: readonly ParallelAxis[];
  readonly lines: readonly ParallelLine[];
  /** Names of the classes, '' for an empty class, and of unclassified lines. */
  readonly classes: readonly string[];
  readonly others: string;
  /** Label for missing values, below the axes. */
  readonly missingLabel: string;
}

const getColor = (at: number | undefined): string => (at === undefined ? 'var(--line)' : `var(--r${at + 1})`);

/** Renders parallel coordinates (Inselberg 1985). The width depends on the number of axes. */
export function parallelPlot({ title, axes, lines, classes, others, missingLabel }: ParallelPlot): Html {
  const order = (one: Pick<ParallelLine, 'class'>): number => one.class ?? NUM_CLASSES;
  const sorted = [...lines].sort((a, b) => order(b) - order(a));
  const hasMissing = lines.some(({ at }) => at.includes(undefined));
  const foot = hasMissing ? MISSING_POSITION : 0;
  const x = (axis: number): string => pixels(LEFT + STEP * axis);
  const y = (at: number): string => pixels(ABOVE + (HEIGHT * (1 - at)) / (1 - foot));
  const buildPath = ({ at }: ParallelLine): string =>
    at.map((place, axis) => `${axis === 0 ? 'M' : 'L'}${x(axis)},${y(place ?? MISSING_POSITION)}`).join('');
  const paths = sorted.map((one) => renderPath([buildPath(one)], html`stroke="${getColor(one.class)}"`));
  const outline = html`stroke="var(--card)" stroke-width="4" stroke-linejoin="round" paint-order="stroke"`;
  const tickLabels = axes.map(({ labels }, axis) =>
    labels.map(
      ({ at, text }) => html`<text x="${x(axis)}" y="${y(at)}" dx="5" dy="4">${printable(text, LABEL)}</text>`,
    ),
  );
  const names = axes.map(
    ({ name }, axis) => html`<text x="${x(axis)}" y="${y(1)}" dy="-10">${printable(name, NAME)}</text>`,
  );
  const missingStyle = html`dx="-30" dy="20" font-size="11" fill="var(--muted)"`;
  const chart = renderSvg(
    {
      width: LEFT + STEP * Math.max(1, axes.length - 1) + RIGHT,
      height: ABOVE + HEIGHT + BELOW,
      markup: renderPath(
        axes.map((_, axis) => `M${x(axis)},${y(0)}V${y(1)}`),
        html`stroke="var(--line)"`,
      ),
    },
    [
      html`<g stroke-width="1.5" opacity="0.75">${paths}</g>`,
      html`<g font-size="11" fill="var(--ink)" ${outline}>${tickLabels}</g>`,
      html`<g font-size="11" fill="var(--muted)" font-weight="600" text-anchor="middle">${names}</g>`,
      ...(hasMissing
        ? [html`<text x="${x(0)}" y="${y(MISSING_POSITION)}" ${missingStyle}>${missingLabel}</text>`]
        : []),
    ],
  );
  const legend = [
    ...classes.flatMap((name, k) => (name === '' ? [] : [{ name, color: getColor(k) }])),
    ...(lines.some((one) => one.class === undefined) ? [{ name: others, color: getColor(undefined) }] : []),
  ];
  return renderFigure(title, chart, legend, 'wide');
}
