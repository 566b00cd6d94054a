import { html } from '../charts/html.js';
import { listElements, renderPage, type Page } from '../charts/page.js';
import { monotonicMs } from '../system/clock.js';

/** A page that changes. */
export interface LivePage {
  /** Differs if the content of the page changed. */
  readonly version: string;
  draw(): Page | Promise<Page>;
}

/** Drawing takes at most this share of the time. */
const MAX_SHARE = 0.2;

/** Replaces the elements that changed; keeps open details, checked boxes and scrolled tables. */
const SCRIPT = `
const state = document.getElementById('connection');
const titles = [...document.querySelectorAll('section h2')].map((title) => title.textContent);
function replace(element, markup) {
  const all = (selector) => [...element.querySelectorAll(selector)];
  const open = all('details').map((each) => each.open);
  const scrolled = all('.wide').map((each) => each.scrollLeft);
  const checked = new Set(all('input:checked').map((each) => each.value));
  element.innerHTML = markup;
  all('details').forEach((each, i) => { each.open = open[i] ?? false; });
  all('.wide').forEach((each, i) => { each.scrollLeft = scrolled[i] ?? 0; });
  all('input').forEach((each) => { each.checked = checked.has(each.value); });
}
const source = new EventSource('/updates?page=' + encodeURIComponent(location.pathname + location.search));
source.onopen = () => { state.textContent = 'live'; };
source.onerror = () => { state.textContent = 'not connected; is mtl board running?'; };
source.onmessage = ({ data }) => {
  const update = JSON.parse(data);
  if (update.titles !== undefined && update.titles.join('\\n') !== titles.join('\\n')) location.reload();
  else if (update.id !== undefined) replace(document.getElementById(update.id), update.markup);
};
`;

/** Renders a page that replaces its content as updates arrive. */
export function renderLivePage(page: Page): string {
  const top = html`<a href="/">mtl board</a> · <span id="connection" role="status">connecting</span>`;
  return renderPage(page, { top, script: SCRIPT });
}

/**
 * Yields the changes of a page as server-sent events, each `everyMs` or later; comments keep the connection open.
 * @param open opens the page as it is now
 */
export async function* streamUpdates(
  open: () => LivePage | Promise<LivePage>,
  everyMs: number,
  wait: (ms: number) => Promise<boolean>,
): AsyncGenerator<string> {
  let sentVersion: string | undefined;
  let sentTitles: string | undefined;
  let sent: ReadonlyMap<string, string> = new Map();
  for (;;) {
    const startMs = monotonicMs();
    const live = await open();
    if (live.version === sentVersion) yield ':\n\n';
    else {
      const page = await live.draw();
      const titles = page.sections.map(({ title }) => title);
      if (titles.join('\n') !== sentTitles) yield toEvent({ titles });
      const elements = listElements(page);
      for (const [id, markup] of elements) if (sent.get(id) !== markup) yield toEvent({ id, markup });
      [sentVersion, sentTitles, sent] = [live.version, titles.join('\n'), elements];
    }
    if (!(await wait(Math.max(everyMs, (monotonicMs() - startMs) / MAX_SHARE)))) return;
  }
}

function toEvent(content: object): string {
  return `data: ${JSON.stringify(content)}\n\n`;
}
