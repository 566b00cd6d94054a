import { html, renderTable, type Html } from '../charts/html.js';
import type { DrawnSection, Page } from '../charts/page.js';
import { linePlot } from '../charts/plot.js';
import { drawRecorded } from '../report.js';
import { listLiveDecisions } from '../runs/channels.js';
import { readEvents } from '../runs/run-list.js';
import { refusal } from '../serve/refusal.js';
import type { BoardPage } from './board-page.js';
import { linkName } from './links.js';
import type { RunWatch, WatchedRun } from './run-watch.js';

/** Number of log events that are shown. */
const NUM_EVENTS = 20;

/** The report of a run, or of several to compare, from recorded metrics. */
export const runPage: BoardPage = {
  path: '/run',
  open(watch, query) {
    const names = [...new Set(query.getAll('run'))];
    if (names.length === 0)
      throw refusal(404, { where: '?run', message: 'expected a run', fix: 'select runs on the first page' });
    const runs = names.map((name) => findRun(watch, name));
    const decisions = listLiveDecisions(watch.root).length;
    const version = `${runs.map((run) => run.version).join()} ${decisions}`;
    return { version, draw: () => drawRuns(runs, watch.root) };
  },
};

function findRun(watch: RunWatch, name: string): WatchedRun {
  const folder = watch.folders().find((each) => linkName(watch, each) === name);
  const run = folder === undefined ? undefined : watch.read(folder);
  if (run === undefined)
    throw refusal(404, { where: '?run', message: `no run '${name}'`, fix: 'the first page lists all runs' });
  return run;
}

function drawRuns(runs: readonly WatchedRun[], root: string): Page {
  const folders = runs.map(({ folder }) => folder);
  const { sections, ...report } = drawRecorded(folders, root);
  return { ...report, sections: [...sections, ...drawSpeeds(runs), ...drawEvents(runs)] };
}

/** Draws the speeds that were observed since the server started. */
function drawSpeeds(runs: readonly WatchedRun[]): readonly DrawnSection[] {
  if (runs.every(({ speeds }) => speeds.length === 0)) return [];
  const chart = linePlot({
    title: 'steps per second',
    x: { title: 'steps', format: '~s' },
    y: { title: '', zero: true },
    series: runs.map(({ about, speeds }) => ({
      name: about.run,
      points: speeds.map(({ step, stepsPerSecond }) => ({ x: step, y: stepsPerSecond })),
    })),
  });
  return [
    {
      title: 'Speed now',
      about: 'Steps between two log entries, divided by the time between them, while mtl board was watching.',
      body: html`<div class="charts">${chart}</div>`,
    },
  ];
}

function drawEvents(runs: readonly WatchedRun[]): readonly DrawnSection[] {
  if (runs.length > 1) return [];
  const rows = runs
    .flatMap(({ folder }) => readEvents(folder))
    .slice(-NUM_EVENTS)
    .reverse()
    .map(({ time, event, ...facts }): readonly (string | Html)[] => [time, event, textOf(facts)]);
  if (rows.length === 0) return [];
  return [
    {
      title: 'Log',
      about: `The last ${NUM_EVENTS} events of log.jsonl, the newest first.`,
      body: renderTable(['time', 'event', ''], rows, 'texts'),
    },
  ];
}

function textOf(facts: object): string {
  return Object.entries(facts)
    .filter(([name]) => name !== 'level')
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
