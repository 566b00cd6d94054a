import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadConfig, type LoadedConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import type { Device } from '../engines/device.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { AUTO } from '../runs/open-run.js';
import { missingRun } from '../runs/run-folder.js';
import { RESOLVED } from '../runs/run-log.js';
import { runPath } from '../runs/runs-root.js';
import { addTrackedFile } from '../runs/tracked-log.js';
import { openPeers } from '../cluster/open-peers.js';
import { train } from '../train.js';
import type { TrainStart } from '../training/observer.js';
import { count, milestoneLines, reportTable, shareLine, startLines, stepLine } from './format.js';
import { nextCommands } from './next-commands.js';
import { createOutput, type LogLevel } from './output.js';
import { runUntilSignal } from './signals.js';

/** The arguments of `mtl train`. */
export interface TrainArguments {
  /** undefined takes that of the run that goes on. */
  readonly config: string | undefined;
  readonly set: readonly string[];
  readonly device: Device;
  readonly threads: number | undefined;
  readonly name: string | undefined;
  readonly runDir: string | undefined;
  readonly resume: string | undefined;
  readonly verifyData: boolean;
  /** Whether the run is drawn when it ends. */
  readonly report: boolean;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** `mtl train`: runs it, prints it, and gives the exit code. */
export async function runTrain({
  config,
  set,
  device,
  threads,
  name,
  runDir,
  resume,
  verifyData,
  report,
  level,
  json,
}: TrainArguments): Promise<number> {
  refuseTwoRuns(resume, { name, 'run-dir': runDir });
  const peers = openPeers();
  // The first speaks for all; what ends another one is told in any case.
  const { screen, notice, result } = peers.rank === 0 ? createOutput(json, level) : createOutput(false, 'error');
  let start: TrainStart | undefined;
  return runUntilSignal(
    (signal) => notice(`${signal}: ending after this step; once more to quit at once`),
    async (stop) => {
      let loaded: LoadedConfig | undefined;
      const load = async (): Promise<LoadedConfig> =>
        (loaded = await loadConfig(config ?? configOf(resume), set.map(parseOverride)));
      const trained = await peers.runCollectively(async () =>
        train(
          await load(),
          {
            device,
            threads: threads ?? peers.threads,
            peers,
            name,
            runDir,
            resume,
            verifyData,
            overrides: set,
            signal: stop.signal,
          },
          {
            onRead: ({ what, share }) => screen.live(() => shareLine(what, share)),
            onWarning: notice,
            onStart: (begun) => {
              start = begun;
              screen.print(startLines(begun));
            },
            onStep: (progress) => screen.live((columns) => stepLine(progress, start!, columns)),
            onMilestone: (milestone) => screen.print(milestoneLines(milestone, start!, screen)),
          },
        ),
      );

      peers.end();
      const { run, end, bestEpoch, bestStep, metrics, rejectedRows, numSkippedBatches } = trained;
      if (numSkippedBatches > 0)
        notice(
          `${count(numSkippedBatches)} batches were skipped since their loss was not finite; log.jsonl names them`,
        );
      if (rejectedRows > 0)
        notice(`${count(rejectedRows)} bad rows were skipped; they are in ${join(run, 'rejects.csv')}`);
      if (stop.received !== undefined && end === 'interrupted') {
        const last = join(run, 'checkpoints', 'last');
        notice(
          `stopped by ${stop.received}; ${existsSync(last) ? `saved as ${last}` : 'there was nothing to save yet'}`,
        );
        result(trained);
        return EXIT_CODES[stop.received];
      }
      if (end === 'stopped early') screen.print('stopped early: valid no longer improves');
      if (metrics['test'] !== undefined) {
        screen.print(
          `${screen.bold('test')}, with the weights of epoch ${bestEpoch}, step ${count(bestStep)}\n${reportTable('test', metrics['test'], screen)}`,
        );
      }
      screen.print(`run folder ${run}`);
      if (report && peers.rank === 0) await draw(run, loaded!.experiment, screen.print, notice);
      if (!json) screen.print(nextCommands(run, loaded!.experiment.data));
      result(trained);
      return EXIT_CODES.done;
    },
  );
}

/** A run that goes on is named once. */
function refuseTwoRuns(resume: string | undefined, others: Readonly<Record<string, string | undefined>>): void {
  const [option] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
  if (resume !== undefined && resume !== AUTO && option !== undefined)
    throw userError('usage', {
      where: `--${option}`,
      message: `--resume ${resume} says which run goes on, in its own folder`,
      fix: `leave --${option} out, or start another run from its weights by --init-from ${resume}`,
    });
}

/** Draws a run that has ended; it has what it has, whatever becomes of its picture. */
async function draw(
  run: string,
  experiment: LoadedConfig['experiment'],
  print: (text: string) => void,
  notice: (text: string) => void,
): Promise<void> {
  try {
    // Loaded only then.
    const { report } = await import('../report.js');
    const path = await report({ runs: [run], known: new Map([[run, experiment]]) });
    print(`report ${path}`);
    await addTrackedFile(run, { path: basename(path), file: path }, notice);
  } catch (error) {
    notice(
      `the run could not be drawn: ${error instanceof Error ? error.message : String(error)}; mtl report ${run} tries again`,
    );
  }
}

/**
 * The config of the run that goes on.
 * @throws UserError (usage) where there is none
 */
export function configOf(resume: string | undefined): string {
  if (resume !== undefined && resume !== AUTO) {
    const run = runPath(resume);
    const config = join(run, RESOLVED);
    if (existsSync(config)) return config;
    const problem = existsSync(run)
      ? { message: `is not the folder of a run: it holds no ${RESOLVED}` }
      : missingRun(run);
    throw userError('usage', {
      where: `--resume ${resume}`,
      fix: 'name a run, as in runs/latest or runs/esmm/001',
      ...problem,
    });
  }
  throw userError('usage', {
    where: 'mtl train',
    message: 'expected a config',
    fix: 'write mtl train configs/esmm.yaml, or --resume RUN',
  });
}
