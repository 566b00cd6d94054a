import { pixels, renderPath } from '../charts/axes.js';
import { html, type Html } from '../charts/html.js';
import { renderSvg } from '../charts/marks.js';
import { BAR_GAP, BAR_STEP, getColor } from '../charts/plot.js';
import { onPaper } from '../charts/style.js';
import type { ExplainedItem, ExplainedSequence, Explanation } from '../trained-model/explainer.js';
import { describeSequence, itemColumns, orderItems, type ItemOrder } from './order.js';

/** Sizes in pixels: the margin, a line of text, a character, the gap between columns, and the longest bar. */
const [EDGE, LINE, CHARACTER, GAP, BAR_WIDTH] = [14, 18, 6.4, 16, 260];
/** Maximum number of characters of a value. */
const MAX_CHARACTERS = 24;

/** A part of the chart and its height. */
interface Panel {
  readonly markup: Html;
  readonly width: number;
  readonly height: number;
}

/**
 * Renders the attention of a row as SVG: per sequence and encoder, a row per item with its values and a bar. Bars of
 * items that equal the candidate in a column have another color.
 */
export function attentionChart({ sequences, predictions }: Explanation, order: ItemOrder, title: string): string {
  const panels = sequences.flatMap((sequence) =>
    sequence.encoders.map((encoder) => attentionPanel(sequence, encoder, orderItems(sequence, order))),
  );
  const outputs = Object.entries(predictions).map(([name, value]) => `${name} ${value.toFixed(4)}`);
  const heading = [
    textAt(EDGE, EDGE + 10, title, html`font-size="14" font-weight="600" fill="var(--ink)"`),
    textAt(EDGE, EDGE + 10 + LINE, outputs.join('   '), html`font-size="12" fill="var(--muted)"`),
  ];
  let height = EDGE + 2 * LINE + 10;
  const placed = panels.map((panel) => {
    const moved = html`<g transform="translate(${EDGE},${height})">${panel.markup}</g>`;
    height += panel.height + LINE;
    return moved;
  });
  const width = 2 * EDGE + Math.max(title.length * 8, ...panels.map((panel) => panel.width));
  const background = html`<rect width="100%" height="100%" fill="var(--paper)"/>`;
  return onPaper(renderSvg({ width, height, markup: background }, [...heading, ...placed]).markup);
}

function attentionPanel(sequence: ExplainedSequence, encoder: string, items: readonly ExplainedItem[]): Panel {
  const { header, cells } = itemColumns(sequence);
  const rows = items.map((item) => cells(item).map(shorten));
  const widths = header.map((name, c) => CHARACTER * Math.max(name.length, ...rows.map((row) => row[c]!.length)));
  const rights = widths.map((_, c) => widths.slice(0, c + 1).reduce((sum, width) => sum + width + GAP, -GAP));
  const left = rights.at(-1)! + GAP;
  const top = 2 * LINE;
  const weights = items.map(({ attention }) => attention[encoder]!.weight);
  const largest = Math.max(...weights.map((weight) => Math.abs(weight ?? 0)));
  const columnsOf = (texts: readonly string[], y: number, look: Html): readonly Html[] =>
    texts.map((text, c) => textAt(rights[c]!, y, text, html`text-anchor="end" font-size="11" ${look}`));
  const marks = items.map((item, i) => {
    const y = top + i * BAR_STEP;
    const { weight } = item.attention[encoder]!;
    const width = largest === 0 ? 0 : (Math.abs(weight ?? 0) / largest) * BAR_WIDTH;
    const color = isLikeCandidate(sequence, item) ? getColor(1) : getColor(0);
    const size = html`width="${pixels(width)}" height="${BAR_STEP - BAR_GAP}"`;
    const bar = html`<rect x="${pixels(left)}" y="${y}" ${size} fill="${color}"/>`;
    const text = weight?.toPrecision(3) ?? '-';
    const value = textAt(left + width + 4, y + 10, text, html`font-size="10" fill="var(--muted)"`);
    return html`${columnsOf(rows[i]!, y + 10, html`fill="var(--ink)"`)}${bar}${value}`;
  });
  const height = top + items.length * BAR_STEP;
  const axis = renderPath([`M${pixels(left)},${top - 4}V${height}`], html`stroke="var(--line)"`);
  const isAnyLike = items.some((item) => isLikeCandidate(sequence, item));
  const description = `${describeSequence(sequence)}${isAnyLike ? ' (orange: items with one of these values)' : ''}`;
  const title = textAt(0, 10, description, html`font-size="12" fill="var(--ink)"`);
  const names = columnsOf(header, 10 + LINE, html`fill="var(--muted)"`);
  const weightName = textAt(left, 10 + LINE, `weight of ${encoder}`, html`font-size="11" fill="var(--muted)"`);
  return {
    markup: html`${title}${names}${weightName}${axis}${marks}`,
    width: Math.max(left + BAR_WIDTH + 50, description.length * CHARACTER),
    height,
  };
}

/** Returns whether an item equals the candidate in a column that is compared with it. */
function isLikeCandidate({ columns }: ExplainedSequence, { values }: ExplainedItem): boolean {
  return columns.some(({ name, candidate }) => candidate !== undefined && values[name] === candidate);
}

function textAt(x: number, y: number, text: string, look: Html): Html {
  return html`<text x="${pixels(x)}" y="${pixels(y)}" ${look}>${text}</text>`;
}

function shorten(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS - 1)}…`;
}
