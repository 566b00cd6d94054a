import { html, type Html } from './html.js';
import { STYLE } from './style.js';

/** Nothing is loaded and nothing runs, whatever a text should say. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** A part of a page as it is drawn. */
export interface DrawnSection {
  readonly title: string;
  /** How it is read, in a sentence or two. */
  readonly about: string;
  readonly body: Html;
}

/** A page that is whole in itself: its title, what is told first, and its sections, which it can be jumped to. */
export function renderPage(title: string, first: Html | undefined, sections: readonly DrawnSection[]): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
<header><h1>${title}</h1>${first}</header>
<nav>${sections.map(({ title: name }, s) => html`<a href="#s${s}">${name}</a>`)}</nav>
<main>${sections.map(
    ({ title: name, about, body }, s) =>
      html`<section id="s${s}"><h2>${name}</h2><p class="about">${about}</p>${body}</section>`,
  )}</main>
</body>
</html>
`;
  return page.markup;
}

/** Facts side by side, each with its name. */
export function renderFacts(facts: readonly (readonly [name: string, value: string | number])[]): Html {
  return html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
