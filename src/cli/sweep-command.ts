import { parseOverride } from '../config/overrides.js';
import type { Device } from '../engines/device.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { count } from '../text/number-text.js';
import { runPath, shownPath } from '../runs/runs-root.js';
import type { ListedTrial } from '../study/leaderboard.js';
import type { Study } from '../study/study.js';
import { sweep, work } from '../sweep.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';
import { boardTable, stateLine, trialLine } from './sweep-format.js';

/** Rows of the table at the end. */
const SHOWN = 10;

/** The arguments of `mtl sweep`. */
export interface SweepArguments {
  readonly file: string | undefined;
  readonly set: readonly string[];
  readonly device: Device;
  readonly threads: number | undefined;
  readonly json: boolean;
}

/** `mtl sweep`: runs a study, prints it, and gives the exit code. */
export async function runSweep({ file, set, device, threads, json }: SweepArguments): Promise<number> {
  if (file === undefined)
    throw userError('usage', {
      where: 'mtl sweep',
      message: 'expected the YAML file of a study',
      fix: 'write mtl sweep sweeps/esmm.yaml',
    });
  const { screen, result } = createOutput(json);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: the workers save their trials and end; once more to quit at once`),
    async (stop) => {
      const { study, end, board } = await sweep(
        file,
        { overrides: set.map(parseOverride), device, threads, signal: stop.signal },
        {
          onStart(begun, { isNew, numChecked, numOver, where }) {
            screen.print(
              `study   ${shownPath(begun.folder)}, ${isNew ? 'new' : `goes on: ${count(numOver)} trials are over`}`,
            );
            screen.print(
              `space   ${begun.space.length} parameters${Number.isFinite(begun.numTrials) ? `, ${count(begun.numTrials)} trials` : ''}${begun.seeds.length > 1 ? ` of ${begun.seeds.length} runs` : ''}; ${count(numChecked)} configs checked`,
            );
            screen.print(`workers ${where}`);
          },
          onTrial: (begun, trial, all) => screen.print(trialLine(begun, trial, all[0]?.number === trial.number)),
          onLook: (begun, all) => screen.live(() => stateLine(begun, all)),
        },
      );
      if (board.length > 0) screen.print(boardTable(study, board.slice(0, SHOWN), screen));
      if (board.some(({ value }) => value !== null)) await draw(study, board, (text) => screen.print(text));
      if (stop.received !== undefined && end === 'interrupted')
        screen.print(`stopped by ${stop.received}; the same command goes on`);
      result({ study: shownPath(study.folder), end, metric: study.options.metric, goal: study.goal, trials: board });
      return stop.received !== undefined && end === 'interrupted' ? EXIT_CODES[stop.received] : EXIT_CODES.done;
    },
  );
}

/** Draws a study; it has what it has, whatever becomes of its picture. */
async function draw(study: Study, board: readonly ListedTrial[], print: (text: string) => void): Promise<void> {
  try {
    // Loaded only then.
    const { writeStudyPage } = await import('../study/page.js');
    print(`page    ${shownPath(await writeStudyPage(study, board))}`);
  } catch (error) {
    print(
      `the study could not be drawn: ${error instanceof Error ? error.message : String(error)}; mtl sweep show ${shownPath(study.folder)} --html tries again`,
    );
  }
}

/** `mtl sweep worker`: takes trials, and gives the exit code. */
export async function runSweepWorker({
  study,
  device,
  threads,
}: {
  readonly study: string;
  readonly device: Device;
  readonly threads: number | undefined;
}): Promise<number> {
  const { screen } = createOutput(false);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: saving the trial, to give it back`),
    async (stop) => {
      // Of whoever started it and waits for it: without that one, nobody would end it.
      const orphaned = new AbortController();
      process.once('disconnect', () => orphaned.abort(new Error('whoever started this worker is gone')));
      // To listen for it must not keep the process alive.
      process.channel?.unref();
      await work(runPath(study), {
        device,
        threads,
        signal: AbortSignal.any([stop.signal, orphaned.signal]),
        log: (text) => screen.print(text),
      });
      return stop.received === undefined ? EXIT_CODES.done : EXIT_CODES[stop.received];
    },
  );
}
