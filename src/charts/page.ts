import { html, type Html } from './html.js';
import { STYLE } from './style.js';

/** The page loads nothing and runs no scripts, even if a text contains markup. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** A rendered section. */
export interface DrawnSection {
  readonly title: string;
  /** Explains how to read the section. */
  readonly about: string;
  readonly body: Html;
}

/** Renders a self-contained page: title, facts, and sections with links to them. */
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

/** Renders named facts in a grid. */
export function renderFacts(facts: readonly (readonly [name: string, value: string | number])[]): Html {
  return html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
