import { join } from 'node:path';
import { html, renderTable, type Html, type Part } from '../charts/html.js';
import type { DrawnSection, Page } from '../charts/page.js';
import { STUDIES } from '../runs/run-folder.js';
import { channelsByRun, listLiveDecisions, nameDecision, type LiveDecision } from '../runs/channels.js';
import type { ListedRun } from '../runs/run-list.js';
import { readLeaderboard } from '../study/leaderboard.js';
import { stateLine } from '../study/trial-text.js';
import { count, duration } from '../text/number-text.js';
import type { BoardPage } from './board-page.js';
import { linkRun, linkStudy, listStudies, linkName } from './links.js';
import type { RunWatch, WatchedRun } from './run-watch.js';
import { studyVersion } from './study-page.js';
import { MTL } from '../system/command-name.js';

/** Maximum number of runs, unless the query has `all`. */
const MAX_RUNS = 200;

/** Runs that are being trained, all runs, and studies. */
export const overviewPage: BoardPage = {
  path: '/',
  open(watch, query) {
    const folders = watch.folders();
    const shown = query.has('all') ? folders : folders.slice(0, MAX_RUNS);
    const runs = shown.flatMap((folder) => watch.read(folder) ?? []);
    const studies = listStudies(watch);
    const decisions = listLiveDecisions(watch.root);
    const version = [
      folders.length,
      decisions.length,
      ...runs.map((run) => `${run.folder} ${run.version} ${run.speeds.length}`),
      ...studies.map((name) => studyVersion(watch, name)),
    ].join('\n');
    return { version, draw: () => drawOverview(watch, runs, { total: folders.length, studies, decisions }) };
  },
};

async function drawOverview(
  watch: RunWatch,
  runs: readonly WatchedRun[],
  {
    total,
    studies,
    decisions,
  }: {
    readonly total: number;
    readonly studies: readonly string[];
    readonly decisions: readonly LiveDecision[];
  },
): Promise<Page> {
  const running = runs.filter(({ about }) => about.state === 'running');
  const facts = html`<p class="about">${watch.root} · ${count(total)} runs · ${count(running.length)} running</p>`;
  return {
    title: 'Runs',
    facts,
    sections: [
      ...(running.length === 0 ? [] : [drawRunning(watch, running)]),
      drawAll(watch, runs, total, decisions),
      ...(studies.length === 0 ? [] : [await drawStudies(watch, studies)]),
    ],
  };
}

function drawRunning(watch: RunWatch, runs: readonly WatchedRun[]): DrawnSection {
  const rows = runs.map(({ folder, about, speeds }): readonly Part[] => [
    linkRun(linkName(watch, folder)),
    monitoredOf(about),
    about.loss?.toFixed(4) ?? '-',
    epochsOf(about),
    about.leftMs === null ? '-' : duration(about.leftMs),
    count(about.step),
    speeds.length === 0 ? '-' : count(speeds.at(-1)!.stepsPerSecond),
    about.model ?? '-',
    about.alarms.length === 0 ? '-' : html`<span class="worse">${about.alarms.length}</span>`,
  ]);
  const header = ['run', 'best', 'loss', 'epochs', 'left', 'steps', 'steps/s', 'model', 'alarms'];
  return {
    title: 'Running',
    about:
      'Speed is that between the last two log entries. The time left does not include validation. Alarms are those ' +
      'of the last window of a stream.',
    body: renderTable(header, rows),
  };
}

function drawAll(
  watch: RunWatch,
  runs: readonly WatchedRun[],
  total: number,
  decisions: readonly LiveDecision[],
): DrawnSection {
  const channels = channelsByRun(watch.root);
  const rows = runs.map(({ folder, about }): readonly Part[] => {
    const name = linkName(watch, folder);
    return [
      html`<label><input type="checkbox" name="run" value="${name}"> </label>${linkRun(name)}`,
      monitoredOf(about),
      about.state,
      epochsOf(about),
      about.model ?? '-',
      duration(about.elapsedMs),
      about.startedAt?.replace('T', ' ').replace(/:\d+\.\d+Z$/, '') ?? '-',
      (channels.get(folder) ?? []).join(', '),
      describeDecision(decisions.findLast(({ run }) => run === name)),
    ];
  });
  const header = ['run', 'best', 'state', 'epochs', 'model', 'time', 'started (UTC)', 'channels', 'live'];
  const more: Html | undefined =
    runs.length === total
      ? undefined
      : html`<p class="note">The newest ${count(runs.length)} of ${count(total)}. <a href="/?all">Show all</a></p>`;
  return {
    title: 'All runs',
    about: 'The newest first. Select several to compare them.',
    body:
      runs.length === 0
        ? html`<p>No runs yet. Start one with ${MTL} train; it appears here.</p>`
        : html`<form action="/run">${renderTable(header, rows)}<button>Compare</button></form>${more}`,
  };
}

async function drawStudies(watch: RunWatch, names: readonly string[]): Promise<DrawnSection> {
  const rows = await Promise.all(
    names.map(async (name): Promise<readonly Part[]> => {
      const { study, board } = await readLeaderboard(join(watch.root, STUDIES, name));
      return [linkStudy(name), study.options.metric, stateLine(study, board)];
    }),
  );
  return {
    title: 'Studies',
    about: 'Sweeps of parameters.',
    body: renderTable(['study', 'metric', 'progress'], rows, 'texts'),
  };
}

/** Describes the last decision about a run by live requests. */
function describeDecision(decision: LiveDecision | undefined): string {
  return decision === undefined ? '' : `${nameDecision(decision)}, ${decision.channel}`;
}

function epochsOf({ epoch, epochs }: ListedRun): string {
  return `${epoch}${epochs === null ? '' : `/${epochs}`}`;
}

function monitoredOf({ monitor, monitored }: ListedRun): string {
  return monitor === null || monitored === null ? '-' : `${monitor} ${monitored.toFixed(4)}`;
}
