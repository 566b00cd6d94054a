import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { pino } from 'pino';
import { wallClockMs } from '../clock.js';
import type { Report } from '../evaluation/evaluation.js';
import type { EpochResult } from '../training/loop.js';
import { onDisk, onDiskSync, writeFileAtomic } from '../disk.js';
import { packageVersion } from './package-version.js';

/** What was asked for, in full. */
export interface RunRequest {
  /** The config file as it stood. */
  readonly source: string;
  /** With defaults and overrides, YAML. */
  readonly config: string;
  readonly overrides: readonly string[];
  readonly engine: { readonly name: string; readonly description: string };
}

/** What happens in a run, written down as it happens. */
export interface RunLog {
  /** A line of `log.jsonl`. */
  event(name: string, details: object): void;
  /** The error that ends the run, in `log.jsonl`. */
  failure(error: unknown): void;
  /** A line of `metrics.jsonl`. */
  epoch(result: EpochResult): Promise<void>;
  /** The metrics of the best weights: the last line of `metrics.jsonl`, and `results.csv`. */
  results(metrics: Readonly<Record<string, Report>>, bestEpoch: number): Promise<void>;
}

/**
 * Writes down what was asked (config.source.yaml, config.resolved.yaml, overrides.txt, environment.json) and opens the log.
 * @throws UserError (disk)
 */
export async function openRunLog(run: string, { source, config, overrides, engine }: RunRequest): Promise<RunLog> {
  await writeFileAtomic(join(run, 'config.source.yaml'), source);
  await writeFileAtomic(join(run, 'config.resolved.yaml'), config);
  await writeFileAtomic(join(run, 'overrides.txt'), overrides.map((text) => `${text}\n`).join(''));
  await writeFileAtomic(join(run, 'environment.json'), `${JSON.stringify(environment(engine), null, 2)}\n`);

  const logPath = join(run, 'log.jsonl');
  const logger = onDiskSync(logPath, () =>
    pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: logPath, sync: true })),
  );
  const metricsPath = join(run, 'metrics.jsonl');
  const append = (line: object): Promise<void> => onDisk(metricsPath, () => appendFile(metricsPath, `${JSON.stringify(line)}\n`));
  const event: RunLog['event'] = (name, details) => onDiskSync(logPath, () => logger.info({ event: name, ...details }));
  return {
    event,
    failure(error) {
      try {
        logger.error({ event: 'failure', err: error });
      } catch {
        // The error that ends the run is told in any case; the disk may be what failed.
      }
    },
    async epoch({ epoch, step, rows, elapsedMs, loss, valid, isBest }) {
      event('epoch', { epoch, step, loss: loss.total });
      await append({ epoch, step, rows, elapsedMs: Math.round(elapsedMs), train: { loss: loss.total, terms: loss.terms }, ...(valid && { valid: { loss: valid.loss, metrics: valid.report } }), isBest });
    },
    async results(metrics, bestEpoch) {
      await append({ bestEpoch, metrics });
      await writeFileAtomic(join(run, 'results.csv'), stringify([['split', 'task', 'metric', 'value'], ...resultRows(metrics)]));
    },
  };
}

function resultRows(metrics: Readonly<Record<string, Report>>): (string | number)[][] {
  return Object.entries(metrics).flatMap(([split, report]) =>
    Object.entries(report).flatMap(([task, values]) =>
      Object.entries(values).flatMap(([metric, value]) => (typeof value === 'object' && value !== null ? [] : [[split, task, metric, value ?? '']])),
    ),
  );
}

function environment(engine: RunRequest['engine']): object {
  return {
    startedAt: new Date(wallClockMs()).toISOString(),
    mtl: packageVersion(),
    node: process.version,
    command: process.argv.slice(2),
    workingDirectory: process.cwd(),
    engine,
    machine: {
      host: os.hostname(),
      platform: `${process.platform} ${os.release()} ${process.arch}`,
      cpu: os.cpus()[0]?.model ?? 'unknown',
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    },
  };
}
