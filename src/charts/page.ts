import { createHash } from 'node:crypto';
import { html, type Html } from './html.js';
import { STYLE } from './style.js';

/** A page loads nothing and runs no scripts but its own, even if a text contains markup. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

export interface DrawnSection {
  readonly title: string;
  /** Explains how to read the section. */
  readonly about: string;
  readonly body: Html;
}

/** Content of a page. */
export interface Page {
  readonly title: string;
  /** Key facts below the title. */
  readonly facts: Html | undefined;
  readonly sections: readonly DrawnSection[];
}

/** Parts of a page that a server keeps current. */
export interface LiveParts {
  /** Links above the title. */
  readonly top: Html;
  /** Script that replaces the content of elements by their ids; it may connect to its server. */
  readonly script: string;
}

/** Renders a self-contained page: title, facts, and sections with links to them. */
export function renderPage({ title, facts, sections }: Page, live?: LiveParts): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policyOf(live)}">
<title>${title}</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
${live && html`<p class="about">${live.top}</p>`}
<header><h1>${title}</h1><div id="${FACTS}">${facts}</div></header>
<nav>${sections.map(({ title: name }, s) => html`<a href="#s${s}">${name}</a>`)}</nav>
<main>${sections.map(
    ({ title: name, about, body }, s) =>
      html`<section id="s${s}"><h2>${name}</h2><p class="about">${about}</p>
<div id="${bodyId(s)}">${body}</div></section>`,
  )}</main>
${live && html`<script>${{ markup: live.script }}</script>`}</body>
</html>
`;
  return page.markup;
}

const FACTS = 'facts';
const bodyId = (section: number): string => `body${section}`;

/** Returns the markup of the elements of a page that change, by id. */
export function listElements({ facts, sections }: Page): ReadonlyMap<string, string> {
  return new Map([[FACTS, facts?.markup ?? ''], ...sections.map(({ body }, s) => [bodyId(s), body.markup] as const)]);
}

function policyOf(live: LiveParts | undefined): string {
  if (live === undefined) return POLICY;
  const hash = createHash('sha256').update(live.script).digest('base64');
  return `${POLICY}; script-src 'sha256-${hash}'; connect-src 'self'; form-action 'self'`;
}

/** Renders named facts in a grid. */
export function renderFacts(facts: readonly (readonly [name: string, value: string | number])[]): Html {
  return html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
