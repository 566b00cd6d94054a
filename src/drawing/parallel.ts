import { printable } from '../errors.js';
import type { Html } from './html.js';
import { draw, figureOf, look } from './plot.js';

/** Distance of two axes, height of an axis, and room for a name and for what stands below, in pixels. */
const [STEP, HEIGHT, ABOVE, BELOW] = [112, 230, 26, 30];
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
export async function parallelPlot({ title, axes, lines, classes, others, nowhere }: ParallelPlot): Promise<Html> {
  const order = (one: Pick<ParallelLine, 'class'>): number => one.class ?? CLASSES;
  const sorted = [...lines].sort((a, b) => order(b) - order(a));
  const values = sorted.flatMap(({ at, ...one }, line) => at.map((y, x) => ({ line, x, y: y ?? NOWHERE, k: order(one) })));
  const isAnyNowhere = lines.some(({ at }) => at.includes(undefined));
  const text = (more: object): object => ({ type: 'text', fontSize: 11, font: look.config.font, ...more });
  const xs = { field: 'x', type: 'quantitative', axis: null, scale: { domain: [0, Math.max(1, axes.length - 1)], nice: false } };
  const ys = { field: 'y', type: 'quantitative', axis: null, scale: { domain: [isAnyNowhere ? NOWHERE : 0, 1], nice: false } };
  const ks = Array.from({ length: CLASSES + 1 }, (_, k) => k);
  const color = { field: 'k', type: 'nominal', legend: null, scale: { domain: ks, range: ks.map((k) => colorOf(k === CLASSES ? undefined : k)) } };
  const labels = axes.flatMap((axis, x) => axis.labels.map(({ at, text: label }) => ({ x, y: at, label: printable(label, LABEL) })));
  const spec = {
    ...look,
    width: STEP * Math.max(1, axes.length - 1),
    height: HEIGHT,
    padding: { left: 52, right: 76, top: ABOVE, bottom: BELOW },
    autosize: { type: 'none' },
    layer: [
      { data: { values: axes.map((_, x) => ({ x, y: 0, top: 1 })) }, mark: { type: 'rule', color: 'var(--line)' }, encoding: { x: xs, y: ys, y2: { field: 'top' } } },
      { data: { values }, mark: { type: 'line', strokeWidth: 1.5, opacity: 0.75 }, encoding: { x: xs, y: ys, detail: { field: 'line', type: 'nominal' }, color, order: { field: 'x', type: 'quantitative' } } },
      { data: { values: labels }, mark: text({ align: 'left', dx: 5, color: 'var(--ink)', stroke: 'var(--card)', strokeWidth: 4, strokeJoin: 'round' }), encoding: { x: xs, y: ys, text: { field: 'label' } } },
      { data: { values: labels }, mark: text({ align: 'left', dx: 5, color: 'var(--ink)' }), encoding: { x: xs, y: ys, text: { field: 'label' } } },
      { data: { values: axes.map(({ name }, x) => ({ x, y: 1, label: printable(name, NAME) })) }, mark: text({ dy: -14, fontWeight: 600, color: 'var(--muted)' }), encoding: { x: xs, y: ys, text: { field: 'label' } } },
      ...(isAnyNowhere ? [{ data: { values: [{ x: 0, y: NOWHERE, label: nowhere }] }, mark: text({ align: 'left', dx: -30, dy: 16, color: 'var(--muted)' }), encoding: { x: xs, y: ys, text: { field: 'label' } } }] : []),
    ],
  };
  const legend = [...classes.flatMap((name, k) => (name === '' ? [] : [{ name, color: colorOf(k) }])), ...(lines.some((one) => one.class === undefined) ? [{ name: others, color: colorOf(undefined) }] : [])];
  return figureOf(title, await draw(spec), legend, 'wide');
}
