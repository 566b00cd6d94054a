import { userError } from '../core/errors.js';
import { fileLogs } from '../data/sequence-options.js';
import { withEventLogs } from '../data/sources/event-logs.js';
import { absolute, isThere } from '../data/sources/find-files.js';
import type { EventLogs } from '../features/event-log.js';
import type { TrainedModel } from './trained-model.js';

export type { EventLogs };

/** Event logs with the items of rows that lack them: those of the config, or another file of the only one. */
export type Histories = boolean | string;

/**
 * Reads the event logs of a model; returns undefined if none is requested.
 * @param onWarning receives warnings about the cache of sorted events
 * @throws UserError (usage) for a model without an event log, and for a file of a model with several ones; (data) for a
 * log that cannot be read
 */
export async function readHistories(
  { folder, format, experiment: { data } }: TrainedModel,
  histories: Histories = false,
  onWarning: (text: string) => void = () => undefined,
): Promise<EventLogs | undefined> {
  if (histories === false) return undefined;
  const logs = Object.entries(fileLogs(data.sequences));
  const file = histories === true ? undefined : (absolute(histories) as string);
  const wanted = file === undefined ? 'event logs' : 'one event log';
  if (logs.length === 0 || (file !== undefined && logs.length > 1))
    throw userError('usage', {
      where: folder,
      key: 'histories',
      message: `expected ${wanted} in data.sequences of the config, found ${logs.length}`,
      fix: logs.length === 0 ? 'remove the option' : 'remove the file from the option, to read those of the config',
    });
  const options = Object.fromEntries(
    logs.map(([name, log]) => [name, { ...log, ...(file !== undefined && { file }) }]),
  );
  const absent = Object.entries(options).find(([, log]) => !isThere(log.file));
  if (absent !== undefined)
    throw userError('data', {
      where: absent[1].file,
      key: `data.sequences.${absent[0]}`,
      message: 'no such file',
      fix: 'correct the path, or name the file of the events in the option',
    });
  const { spec } = await withEventLogs(format, options, { cache: { folder: data.cache, onWarning } });
  return spec.logs;
}
