import { printable } from '../core/errors.js';

/** Text that is markup, made by `html` alone or drawn. */
export interface Html {
  readonly markup: string;
}

/** What may stand in a template: texts and numbers become text, markup stays what it is. */
export type Part = Html | string | number | undefined | readonly Part[];

/** Characters of one text at the most. */
const LONGEST = 2000;
/** What a text is mostly made of: nothing to escape. */
const PLAIN = /^[\w .,:()/%=+-]{0,100}$/;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Markup with values between; whatever a value says, it is text and never markup. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  let markup = strings[0]!;
  for (let i = 0; i < values.length; i++) markup += markupOf(values[i]) + strings[i + 1]!;
  return { markup };
}

function markupOf(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string')
    return PLAIN.test(part) ? part : printable(part, LONGEST).replace(/[&<>"']/g, (character) => ESCAPES[character]!);
  if ('markup' in part) return part.markup;
  let markup = '';
  for (const each of part) markup += markupOf(each);
  return markup;
}

/** A table that scrolls on its own where it is wider than the page; the first column is text, the others numbers. */
export function tableOf(
  header: readonly Part[],
  rows: readonly (readonly Part[])[],
  kind: 'numbers' | 'texts' = 'numbers',
): Html {
  const line = (cells: readonly Part[]): Html =>
    html`<tr>${cells.map((cell, c) => (c === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`;
  return html`<div class="wide"><table class="${kind}"><thead><tr>${header.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(line)}</tbody></table></div>`;
}
