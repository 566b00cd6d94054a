import { printable } from '../errors.js';

/** Text that is markup, made by `html` alone or drawn. */
export interface Html {
  readonly markup: string;
}

/** What may stand in a template: texts and numbers become text, markup stays what it is. */
export type Part = Html | string | number | undefined | readonly Part[];

/** Characters of one text at the most. */
const LONGEST = 2000;
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Markup with values between; whatever a value says, it is text and never markup. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return { markup: strings.map((text, i) => text + (i < values.length ? markupOf(values[i]) : '')).join('') };
}

function markupOf(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string' || typeof part === 'number') return printable(String(part), LONGEST).replace(/[&<>"']/g, (character) => ESCAPES[character]!);
  return 'markup' in part ? part.markup : part.map(markupOf).join('');
}

/** A table that scrolls on its own where it is wider than the page; the first column is text, the others numbers. */
export function tableOf(header: readonly Part[], rows: readonly (readonly Part[])[], kind: 'numbers' | 'texts' = 'numbers'): Html {
  const line = (cells: readonly Part[]): Html => html`<tr>${cells.map((cell, c) => (c === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`;
  return html`<div class="wide"><table class="${kind}"><thead><tr>${header.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(line)}</tbody></table></div>`;
}
