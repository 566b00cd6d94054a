import { oneStep, type OneStep } from './check/one-step.js';
import { tasksOf, type Experiment } from './config/experiment.js';
import { loadConfig, loadSections } from './config/load.js';
import { parseOverride } from './config/overrides.js';
import { describeSources, type DataDescription } from './data/info/describe-data.js';
import { rowFormatOf, type RowFormat } from './data/rows/row-format.js';
import { openFirstRows, type FirstRows } from './data/sources/first-rows.js';
import { openData, type OpenedData } from './data/sources/splits.js';
import type { EngineOptions } from './engines/engines.js';
import { measuredSpaces } from './evaluation/measured-spaces.js';
import { UserError, type ErrorKind, type Problem } from './errors.js';
import { roomFor, type Room } from './runs/room.js';
import { runsRoot } from './runs/runs-root.js';
import { startOf } from './warm-start/warm-start.js';

/** What is checked, and how. */
export interface CheckOptions extends EngineOptions {
  readonly path: string;
  /** Changes to the config, `--set` texts. */
  readonly set: readonly string[];
  /** Of each split, about how many rows are looked at. */
  readonly firstRows: number;
  /** Told what people should know. */
  onNotice(text: string): void;
}

/** What was found of a config that can be trained. */
export interface CheckResult {
  readonly experiment: Experiment;
  readonly data: DataDescription;
  /** Whether only the first rows were looked at. */
  readonly isCut: boolean;
  readonly step: OneStep;
  readonly room: Room;
}

/**
 * Looks for whatever keeps a config from being trained: in itself, in its files, their headers and their first rows; then takes one step. Nothing
 * is written.
 * @throws UserError with all problems of all of these
 */
export async function check({ path, set, firstRows, onNotice, ...engineOptions }: CheckOptions): Promise<CheckResult> {
  const problems: Problem[] = [];
  const kinds: ErrorKind[] = [];
  const collected = async <Found>(work: () => Promise<Found>): Promise<Found | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      kinds.push(error.kind);
      problems.push(...error.problems);
      return undefined;
    }
  };
  const overrides = set.map(parseOverride);
  const loaded = await collected(() => loadConfig(path, overrides));
  const { data, features, tasks: taskOptions, evaluation } = loaded?.experiment ?? (await loadSections(path, overrides));
  let found: { readonly format: RowFormat; readonly sources: OpenedData; readonly description: DataDescription } | undefined;
  const looked: FirstRows[] = [];
  if (data !== undefined && features !== undefined && taskOptions !== undefined) {
    found = await collected(async () => {
      const tasks = tasksOf({ tasks: taskOptions });
      const format = rowFormatOf({ tasks, groups: Object.values(features), cells: data, sampling: data.sampling, keys: measuredSpaces(tasks, evaluation).keys });
      const opened = await openData(data, format, async (paths, columns, dialect) => {
        const source = await openFirstRows(paths, columns, dialect, firstRows);
        looked.push(source);
        return source;
      });
      const description = await describeSources(opened, format, {});
      if (data.onBadRow !== 'skip') problems.push(...description.badRows);
      return { format, sources: opened, description };
    });
  }
  if (loaded !== undefined) await collected(async () => startOf(loaded.experiment, found?.format.fields ?? []).originOf?.());
  if (problems.length > 0 || loaded === undefined || found === undefined) throw new UserError(kinds[0] ?? 'data', problems);
  const { experiment } = loaded;
  const { format, sources, description } = found;
  const step = await oneStep(experiment, format, sources.train, engineOptions, onNotice);
  const { weightBytes, optimizerBytes, vocabularyBytes } = step.size;
  const room = await roomFor(runsRoot(experiment.runs), weightBytes + optimizerBytes + vocabularyBytes, experiment.checkpoints);
  return { experiment, data: description, isCut: looked.some((source) => source.isCut), step, room };
}
