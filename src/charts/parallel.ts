import { printable } from '../core/errors.js';
import { renderPath, pixels } from './axes.js';
import { html, type Html } from './html.js';
import { renderSvg } from './marks.js';
import { renderFigure } from './plot.js';

/** Distance of two axes, height of an axis, and room around them for names, labels and what stands below, in pixels. */
const [STEP, HEIGHT, ABOVE, BELOW, BEFORE, AFTER] = [112, 230, 26, 30, 52, 76];
/** Where a line passes an axis on which it has no value. */
const NOWHERE = -0.12;
/** Characters of a name, and of a label. */
const [NAME, LABEL] = [17, 13];
/** Colors that there are for classes, from the best on (--r1, --r2, … of the page). */
export const CLASSES = 5;

/** An axis that lines pass. */
export interface ParallelAxis {
  readonly name: string;
  /** What stands at places of it, from 0 at its foot to 1. */
  readonly labels: readonly { readonly at: number; readonly text: string }[];
}

/** A line: its place on each axis, from 0 to 1; undefined where it has none. */
export interface ParallelLine {
  readonly at: readonly (number | undefined)[];
  /** Its color, from 0 to CLASSES - 1; undefined for one that counts for little. */
  readonly class: number | undefined;
}

/** Parallel axes side by side, and the lines over them, those of the first class on top. */
export interface ParallelPlot {
  readonly title: string;
  readonly axes: readonly ParallelAxis[];
  readonly lines: readonly ParallelLine[];
  /** Names of the classes, '' of those without a line; and of lines that have no class. */
  readonly classes: readonly string[];
  readonly others: string;
  /** What it means where a line passes an axis below its foot. */
  readonly nowhere: string;
}

const colorOf = (at: number | undefined): string => (at === undefined ? 'var(--line)' : `var(--r${at + 1})`);

/** Draws parallel coordinates (Inselberg 1985), as wide as its axes need. */
export function parallelPlot({ title, axes, lines, classes, others, nowhere }: ParallelPlot): Html {
  const order = (one: Pick<ParallelLine, 'class'>): number => one.class ?? CLASSES;
  const sorted = [...lines].sort((a, b) => order(b) - order(a));
  const isAnyNowhere = lines.some(({ at }) => at.includes(undefined));
  const foot = isAnyNowhere ? NOWHERE : 0;
  const x = (axis: number): string => pixels(BEFORE + STEP * axis);
  const y = (at: number): string => pixels(ABOVE + (HEIGHT * (1 - at)) / (1 - foot));
  const courseOf = ({ at }: ParallelLine): string =>
    at.map((place, axis) => `${axis === 0 ? 'M' : 'L'}${x(axis)},${y(place ?? NOWHERE)}`).join('');
  const chart = renderSvg(
    {
      width: BEFORE + STEP * Math.max(1, axes.length - 1) + AFTER,
      height: ABOVE + HEIGHT + BELOW,
      markup: renderPath(
        axes.map((_, axis) => `M${x(axis)},${y(0)}V${y(1)}`),
        html`stroke="var(--line)"`,
      ),
    },
    [
      html`<g stroke-width="1.5" opacity="0.75">${sorted.map((one) => renderPath([courseOf(one)], html`stroke="${colorOf(one.class)}"`))}</g>`,
      html`<g font-size="11" fill="var(--ink)" stroke="var(--card)" stroke-width="4" stroke-linejoin="round" paint-order="stroke">${axes.map(({ labels }, axis) => labels.map(({ at, text }) => html`<text x="${x(axis)}" y="${y(at)}" dx="5" dy="4">${printable(text, LABEL)}</text>`))}</g>`,
      html`<g font-size="11" fill="var(--muted)" font-weight="600" text-anchor="middle">${axes.map(({ name }, axis) => html`<text x="${x(axis)}" y="${y(1)}" dy="-10">${printable(name, NAME)}</text>`)}</g>`,
      ...(isAnyNowhere
        ? [
            html`<text x="${x(0)}" y="${y(NOWHERE)}" dx="-30" dy="20" font-size="11" fill="var(--muted)">${nowhere}</text>`,
          ]
        : []),
    ],
  );
  const legend = [
    ...classes.flatMap((name, k) => (name === '' ? [] : [{ name, color: colorOf(k) }])),
    ...(lines.some((one) => one.class === undefined) ? [{ name: others, color: colorOf(undefined) }] : []),
  ];
  return renderFigure(title, chart, legend, 'wide');
}
