import { parseOverride } from '../config/overrides.js';
import type { Device } from '../engines/device.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { count } from '../text/number-text.js';
import { runPath, shownPath } from '../runs/runs-root.js';
import type { ListedTrial } from '../study/leaderboard.js';
import type { Study } from '../study/study.js';
import { stateLine } from '../study/trial-text.js';
import { sweep, work } from '../sweep.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';
import { boardTable, trialLine } from './sweep-format.js';
import { MTL } from '../system/command-name.js';

/** Number of trials in the final table. */
const SHOWN = 10;

export interface SweepArguments {
  readonly file: string | undefined;
  readonly set: readonly string[];
  readonly device: Device;
  readonly threads: number | undefined;
  readonly json: boolean;
}

/** Runs `mtl sweep` and prints progress and the best trials. Returns the exit code. */
export async function runSweep({ file, set, device, threads, json }: SweepArguments): Promise<number> {
  if (file === undefined)
    throw userError('usage', {
      where: 'mtl sweep',
      message: 'missing study file',
      fix: `pass a YAML file, as in ${MTL} sweep sweeps/esmm.yaml`,
    });
  const { screen, result } = createOutput(json);
  // For the workers.
  (await import('../engines/cpu/load-kernels.js')).waitForKernels();
  return runUntilSignal(
    (signal) => screen.print(`${signal}: workers save their trials and exit; send it again to quit immediately`),
    async (stop) => {
      const { study, end, board } = await sweep(
        file,
        { overrides: set.map(parseOverride), device, threads, signal: stop.signal },
        {
          onStart(started, { isNew, numChecked, numOver, where }) {
            screen.print(
              `study   ${shownPath(started.folder)}, ` +
                (isNew ? 'new' : `resumed with ${count(numOver)} finished trials`),
            );
            const trials = Number.isFinite(started.numTrials) ? `, ${count(started.numTrials)} trials` : '';
            const runs = started.seeds.length > 1 ? ` of ${started.seeds.length} runs` : '';
            screen.print(
              `space   ${started.space.length} parameters${trials}${runs}; ${count(numChecked)} configs checked`,
            );
            screen.print(`workers ${where}`);
          },
          onTrial: (started, trial, all) => screen.print(trialLine(started, trial, all[0]?.number === trial.number)),
          onLook: (started, all) => screen.live(() => stateLine(started, all)),
        },
      );
      if (board.length > 0) screen.print(boardTable(study, board.slice(0, SHOWN), screen));
      if (board.some(({ value }) => value !== null)) await writePage(study, board, (text) => screen.print(text));
      if (stop.received !== undefined && end === 'interrupted')
        screen.print(`stopped by ${stop.received}; run the same command to resume`);
      result({ study: shownPath(study.folder), end, metric: study.options.metric, goal: study.goal, trials: board });
      return stop.received !== undefined && end === 'interrupted' ? EXIT_CODES[stop.received] : EXIT_CODES.done;
    },
  );
}

/** Writes the study page. A failure only prints a warning: the study itself is complete. */
async function writePage(study: Study, board: readonly ListedTrial[], print: (text: string) => void): Promise<void> {
  try {
    // Loaded on demand.
    const { writeStudyPage } = await import('../study/page.js');
    print(`page    ${shownPath(await writeStudyPage(study, board))}`);
  } catch (error) {
    print(
      `cannot write the study page: ${error instanceof Error ? error.message : String(error)}; retry with ` +
        `${MTL} sweep show ${shownPath(study.folder)} --html`,
    );
  }
}

/** Runs `mtl sweep worker` until no trial is left. Returns the exit code. */
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
  (await import('../engines/cpu/load-kernels.js')).waitForKernels();
  return runUntilSignal(
    (signal) => screen.print(`${signal}: saving the trial and releasing it`),
    async (stop) => {
      await work(runPath(study), {
        device,
        threads,
        signal: stop.signal,
        log: (text) => screen.print(text),
      });
      return stop.received === undefined ? EXIT_CODES.done : EXIT_CODES[stop.received];
    },
  );
}
