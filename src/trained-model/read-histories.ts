import { userError } from '../core/errors.js';
import { logSource, type EventSources } from '../data/objects/event-source.js';
import type { DataOptions } from '../data/options.js';
import { fileLogs } from '../data/sequence-options.js';
import { withEventLogs } from '../data/sources/event-logs.js';
import { absolute, isThere } from '../data/sources/find-files.js';
import type { EventLogs } from '../features/event-log.js';
import { loadStates } from './load-states.js';
import type { TrainedModel } from './trained-model.js';

export type { EventLogs };

/** Event logs with the items of rows that lack them: the logs of the config, or another file of the only one. */
export type Histories = boolean | string;

/**
 * Reads the event logs of files of a model; returns undefined if none is requested.
 * @param streamed logs whose events the checkpoint has
 * @param onWarning receives warnings about the cache of sorted events
 * @throws UserError (usage) for a model without an event log, and for a file of a model with several ones; (data) for a
 * log that cannot be read
 */
export async function readHistories(
  { folder, format, experiment: { data } }: TrainedModel,
  histories: Histories = false,
  streamed: ReadonlySet<string> = new Set(),
  onWarning: (text: string) => void = () => undefined,
): Promise<EventLogs | undefined> {
  if (histories === false) return undefined;
  const logs = Object.fromEntries(Object.entries(data.sequences ?? {}).filter(([name]) => !streamed.has(name)));
  const count = Object.keys(logs).length;
  const file = histories === true ? undefined : (absolute(histories) as string);
  const wanted = file === undefined ? 'event logs' : 'one event log';
  if (count === 0 || (file !== undefined && count > 1))
    throw userError('usage', {
      where: folder,
      key: 'histories',
      message: `expected ${wanted} in data.sequences of the config, found ${count}`,
      fix: count === 0 ? 'remove the option' : 'remove the file from the option, to read those of the config',
    });
  const read = { ...data, sequences: logs, ...(file !== undefined && inFile(logs, file)) };
  const absent = Object.entries(fileLogs(read.sequences)).find(([, log]) => !isThere(log.file));
  if (absent !== undefined)
    throw userError('data', {
      where: absent[1].file,
      key: `data.sequences.${absent[0]}`,
      message: 'no such file',
      fix: 'correct the path, or name the file of the events in the option',
    });
  const { spec } = await withEventLogs(format, read, { cache: { folder: data.cache, onWarning } });
  return spec.logs;
}

/** Replaces the file of logs, or the sets of which some rows are events. */
function inFile(logs: NonNullable<DataOptions['sequences']>, file: string): Partial<DataOptions> {
  const sequences = Object.entries(logs).map(([name, log]) => [name, log.file === undefined ? log : { ...log, file }]);
  return { sequences: Object.fromEntries(sequences) as typeof logs, ...ONLY_TRAIN, train: file };
}

const ONLY_TRAIN = { source: undefined, split: undefined, valid: undefined, test: undefined };

/**
 * Opens the events of rows that lack items: the events of the checkpoint, and of files if they are requested.
 * @throws UserError as `readHistories` and `loadStates` do
 */
export async function openHistories(trained: TrainedModel, histories: Histories | undefined): Promise<EventSources> {
  const { histories: events } = await loadStates(trained.folder, ['histories']);
  const streamed = events?.sources ?? new Map();
  const logs = await readHistories(trained, histories, new Set(streamed.keys()));
  const { fields } = trained.format;
  return new Map([
    ...streamed,
    ...Array.from(logs ?? [], ([name, log]) => [name, logSource(name, log, fields)] as const),
  ]);
}
