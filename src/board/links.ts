import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { html, type Html } from '../charts/html.js';
import { withSlashes } from '../io/slashes.js';
import { STUDIES } from '../runs/run-folder.js';
import { isStudy } from '../study/study.js';
import type { RunWatch } from './run-watch.js';

/** Returns the name of a run in links: its path below the directory of all runs. */
export function linkName({ root }: Pick<RunWatch, 'root'>, folder: string): string {
  return withSlashes(relative(root, folder));
}

/** Links to the page of a run. */
export function linkRun(name: string): Html {
  return html`<a href="/run?run=${encodeURIComponent(name)}">${name}</a>`;
}

/** Links to the page of a study. */
export function linkStudy(name: string): Html {
  return html`<a href="/study?study=${encodeURIComponent(name)}">${name}</a>`;
}

/** Lists the names of all studies. */
export function listStudies({ root }: Pick<RunWatch, 'root'>): readonly string[] {
  const folder = join(root, STUDIES);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => isStudy(join(folder, name)));
}
