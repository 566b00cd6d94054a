import { checkRows } from './check/check-rows.js';
import { checkStream, type CheckedStream, type StreamDescription } from './check/check-stream.js';
import { collectFindings, type Findings } from './check/findings.js';
import { oneStep, planStep, type CheckedData, type OneStep, type StepInput } from './check/one-step.js';
import type { Experiment } from './config/experiment.js';
import { readConfig } from './config/load.js';
import { parseOverride } from './config/overrides.js';
import { createRowSampler, type RowSampler } from './data/sources/row-sample.js';
import { openData } from './data/sources/splits.js';
import type { DataDescription } from './data/info/describe-data.js';
import { compile } from './engines/compile/compile.js';
import type { ListName } from './engines/compile/lists.js';
import { printProgram } from './engines/compile/print.js';
import type { Engine } from './engines/engine.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { openInputs, planRows, type Inputs } from './inputs/open-inputs.js';
import { openStreamInputs } from './inputs/open-stream-inputs.js';
import { estimateDiskUsage, type DiskUsage } from './runs/disk-usage.js';
import { checkRunFolder } from './runs/run-folder.js';
import { readPretrained } from './pretrained/read-vectors.js';
import { runsRoot } from './runs/runs-root.js';
import { checkFollowed, warnOfUnused } from './train/check-followed.js';

export interface CheckOptions extends EngineOptions {
  readonly path: string;
  /** Config overrides, as in `--set`. */
  readonly set: readonly string[];
  /** Approximate number of rows to sample per split. */
  readonly sampleRows: number;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
}

/** A training step on the first rows, and the disk space of a run. */
interface Trained {
  readonly step: OneStep;
  readonly disk: DiskUsage;
}

/** Result of checking a config without problems. */
export interface CheckResult extends Trained {
  readonly experiment: Experiment;
  readonly data: DataDescription;
  /** Whether only a sample of the rows was read. */
  readonly isCut: boolean;
}

/**
 * Checks a config and everything it names, in the order of training: config, engine, files and headers, initial
 * checkpoint, run directory, rows. Then takes one training step. Writes nothing.
 * @throws UserError with the problems of all these steps
 */
export async function check({ sampleRows, ...options }: CheckOptions): Promise<CheckResult> {
  const sampler = createRowSampler(sampleRows);
  const checked = await checkConfig(options, fileCheck(sampler, options.onWarning), options);
  const { experiment, rows } = checked;
  const trained = await takeStep(checked, rows.step, options.onWarning);
  return { experiment, data: rows.description, isCut: sampler.isCut, ...trained };
}

/** Result of checking a config of a stream without problems. */
export interface StreamCheckResult {
  readonly experiment: Experiment;
  readonly stream: StreamDescription;
  /** Undefined without a record. */
  readonly trained: Trained | undefined;
}

/**
 * Checks a config for training on `data.train` as a stream, as `check` does. It reads the records that the stream has
 * at present, up to `data.follow.fitRows`; a pipe is read until it has these, or ends.
 * @throws UserError with the problems of all these steps
 */
export async function checkFollow(options: Omit<CheckOptions, 'sampleRows'>): Promise<StreamCheckResult> {
  const { onWarning } = options;
  const checked = await checkConfig(options, streamCheck(onWarning), options);
  const { experiment, rows } = checked;
  warnOfUnused(experiment, onWarning);
  const trained = rows.step && (await takeStep(checked, rows.step, onWarning));
  return { experiment, stream: rows.description, trained };
}

/** Takes one training step with the engine of a checked config. */
async function takeStep(
  { experiment, engine }: Pick<CheckedConfig<unknown>, 'experiment' | 'engine'>,
  input: StepInput,
  onWarning: (text: string) => void,
): Promise<Trained> {
  const step = await oneStep(engine!, experiment, input, onWarning);
  const { weightBytes, optimizerBytes, vocabularyBytes } = step.size;
  const bytes = weightBytes + optimizerBytes + vocabularyBytes;
  return { step, disk: await estimateDiskUsage(runsRoot(experiment.runs), bytes, experiment.checkpoints) };
}

/**
 * Compiles the training step of a config, with vocabularies from a sample of its rows, and prints a list of its calls.
 * @throws UserError with the problems of the config and its data
 */
export async function describeProgram(
  { sampleRows, ...options }: Pick<CheckOptions, 'path' | 'set' | 'sampleRows'>,
  list: ListName,
): Promise<string> {
  const { experiment, rows } = await checkConfig(options, fileCheck(createRowSampler(sampleRows)));
  return printProgram(compile(planStep(experiment, rows.step)), list);
}

/** How the data of a config is checked: files, or a stream. */
interface DataCheck<Rows> {
  /** Checks what the valid sections of an invalid config name. Default: nothing. */
  readonly readSections?: (sections: Partial<Experiment>, findings: Findings) => Promise<void>;
  /** Opens the data, checks the start of a run, and reads the rows; returns undefined if there are problems. */
  readonly readRows: (experiment: Experiment, findings: Findings) => Promise<Rows | undefined>;
}

/** A valid config with its rows. */
interface CheckedConfig<Rows> {
  readonly experiment: Experiment;
  /** Defined if its options were given. */
  readonly engine: Engine | undefined;
  readonly rows: Rows;
}

/**
 * Checks a config, the engine if its options are given, and the data.
 * @throws UserError with all problems
 */
async function checkConfig<Rows>(
  { path, set }: Pick<CheckOptions, 'path' | 'set'>,
  { readSections, readRows }: DataCheck<Rows>,
  engineOptions?: EngineOptions,
): Promise<CheckedConfig<Rows>> {
  const findings = collectFindings();
  const { experiment, sections, problems } = await readConfig(path, set.map(parseOverride));
  findings.add('config', problems);
  if (experiment === undefined) {
    await readSections?.(sections, findings);
    findings.throwIfAny();
    throw new Error('an invalid config must have problems');
  }
  const engine = await findings.of(() => engineOptions && createEngine(engineOptions, experiment.training.precision));
  const rows = await readRows(experiment, findings);
  findings.throwIfAny();
  // Without problems, every step has a result.
  return { experiment, engine, rows: rows! };
}

/** Checks a sample of files. */
function fileCheck(
  sampler: RowSampler,
  onWarning: (text: string) => void = () => undefined,
): DataCheck<CheckedData<DataDescription>> {
  const { open } = sampler;
  return {
    readSections: async (sections, findings) => {
      const { data, features, tasks } = sections;
      if (data === undefined) return;
      const rows = await findings.of(() => planRows(sections));
      const sources = rows && (await findings.of(() => openData(data, rows.format, { open })));
      if (rows !== undefined && sources !== undefined && features !== undefined && tasks !== undefined)
        await checkRows(data, { ...rows, sources }, sampler, findings);
    },
    readRows: async (experiment, findings) => {
      const inputs = await findings.of(() => openInputs(experiment, { open }));
      if (inputs === undefined) return undefined;
      const { start } = inputs;
      await findings.of(() => inputs.teachers.find());
      const hasStart = await checkStart(experiment, inputs, findings);
      if (hasStart && start.counters !== undefined) inputs.counters?.warmStart(start.counters(), onWarning);
      const grow: typeof start.grow = (fitted) => start.grow(fitted);
      return checkRows(experiment.data, { ...inputs, ...(hasStart && { grow }) }, sampler, findings);
    },
  };
}

/** Checks the records that a stream has at present. */
function streamCheck(onWarning: (text: string) => void): DataCheck<CheckedStream> {
  return {
    readRows: async (experiment, findings) => {
      const inputs = await findings.of(() => (checkFollowed(experiment, {}), openStreamInputs(experiment)));
      try {
        const hasStart = inputs !== undefined && (await checkStart(experiment, inputs, findings));
        return hasStart ? await findings.of(() => checkStream(experiment, inputs, findings, onWarning)) : undefined;
      } finally {
        await inputs?.stream.close();
      }
    },
  };
}

/** Checks pretrained vectors, run directory and initial checkpoint; returns whether the last one is usable. */
async function checkStart(
  { name, runs }: Experiment,
  { format, start: { resolveOrigin } }: Inputs,
  findings: Findings,
): Promise<boolean> {
  await findings.of(() => readPretrained(format.fields));
  const hasStart = resolveOrigin === undefined || (await findings.of(resolveOrigin)) !== undefined;
  await findings.of(() => checkRunFolder({ configName: name, runs }));
  return hasStart;
}
