import { printable } from '../core/errors.js';

/** Escaped markup, created by `html` or the renderers. */
export interface Html {
  readonly markup: string;
}

/** A value in a template: text and numbers are escaped, markup is kept. */
export type Part = Html | string | number | undefined | readonly Part[];

/** Maximum number of characters per text. */
const MAX_TEXT_LENGTH = 2000;
/** Common texts that need no escaping. */
const PLAIN = /^[\w .,:()/%=+-]{0,100}$/;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Builds markup from a template; values are escaped unless they are markup. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  let markup = strings[0]!;
  for (let i = 0; i < values.length; i++) markup += render(values[i]) + strings[i + 1]!;
  return { markup };
}

function render(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string')
    return PLAIN.test(part)
      ? part
      : printable(part, MAX_TEXT_LENGTH).replace(/[&<>"']/g, (character) => ESCAPES[character]!);
  if ('markup' in part) return part.markup;
  let markup = '';
  for (const each of part) markup += render(each);
  return markup;
}

/** Renders a table that scrolls if it is wider than the page. The first column is a row header. */
export function renderTable(
  header: readonly Part[],
  rows: readonly (readonly Part[])[],
  kind: 'numbers' | 'texts' = 'numbers',
): Html {
  const line = (cells: readonly Part[]): Html =>
    html`<tr>${cells.map((cell, c) => (c === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`;
  const head = html`<thead><tr>${header.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>`;
  const body = html`<tbody>${rows.map(line)}</tbody>`;
  return html`<div class="wide"><table class="${kind}">${head}${body}</table></div>`;
}

/** Renders charts in a grid; undefined if there are none. */
export function renderCharts(charts: readonly Html[]): Html | undefined {
  return charts.length === 0 ? undefined : html`<div class="charts">${charts}</div>`;
}

/** Renders content that is folded under a summary. */
export function renderDetails(summary: string, content: Html): Html {
  return html`<details><summary>${summary}</summary>${content}</details>`;
}
