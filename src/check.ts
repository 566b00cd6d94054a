import { checkRows, type CheckedRows } from './check/check-rows.js';
import { checkStream, type CheckedStream, type StreamDescription } from './check/check-stream.js';
import { collectFindings, type Findings } from './check/findings.js';
import { oneStep, planStep, type OneStep } from './check/one-step.js';
import type { Experiment } from './config/experiment.js';
import { readConfig } from './config/load.js';
import { parseOverride } from './config/overrides.js';
import { skipBadRows } from './data/rows/rejects.js';
import { createRowSampler, type RowSampler } from './data/sources/row-sample.js';
import { openData } from './data/sources/splits.js';
import type { DataDescription } from './data/info/describe-data.js';
import { compile } from './engines/compile/compile.js';
import type { ListName } from './engines/compile/lists.js';
import { printProgram } from './engines/compile/print.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { openInputs, planRows, type Inputs, type RunInputs } from './inputs/open-inputs.js';
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

/** Result of checking a config without problems. */
export interface CheckResult {
  readonly experiment: Experiment;
  readonly data: DataDescription;
  /** Whether only a sample of the rows was read. */
  readonly isCut: boolean;
  readonly step: OneStep;
  readonly disk: DiskUsage;
}

/**
 * Checks a config and everything it names, in the order of training: config, engine, files and headers, initial
 * checkpoint, run directory, rows. Then takes one training step. Writes nothing.
 * @throws UserError with the problems of all these steps
 */
export async function check(options: CheckOptions): Promise<CheckResult> {
  const { onWarning } = options;
  const { experiment, engine, rows, inputs, sampler } = await checkConfig(options, ({ training }) =>
    createEngine(options, training.precision),
  );
  const policy = skipBadRows(undefined, Infinity);
  const step = await oneStep(
    engine,
    experiment,
    { ...rows, ...inputs, batches: () => inputs.sources.train.stream(rows.encoded, [], { policy }) },
    onWarning,
  );
  const disk = await estimateDisk(experiment, step);
  return { experiment, data: rows.description, isCut: sampler.isCut, step, disk };
}

function estimateDisk({ runs, checkpoints }: Experiment, { size }: OneStep): Promise<DiskUsage> {
  const { weightBytes, optimizerBytes, vocabularyBytes } = size;
  return estimateDiskUsage(runsRoot(runs), weightBytes + optimizerBytes + vocabularyBytes, checkpoints);
}

/** Result of checking a config of a stream without problems. */
export interface StreamCheckResult {
  readonly experiment: Experiment;
  readonly stream: StreamDescription;
  /** A step on the first batch, and the disk space; undefined without a record. */
  readonly trained: { readonly step: OneStep; readonly disk: DiskUsage } | undefined;
}

/**
 * Checks a config for training on `data.train` as a stream, in the order of that training, as `check` does. It reads
 * the records that the stream has at present, up to `data.follow.fitRows`; a pipe is read until it has these, or ends.
 * @throws UserError with the problems of all these steps
 */
export async function checkFollow(options: Omit<CheckOptions, 'sampleRows'>): Promise<StreamCheckResult> {
  const { onWarning } = options;
  const findings = collectFindings();
  const experiment = await readExperiment(options, findings);
  const canRead = await findings.of(() => {
    checkFollowed(experiment, {});
    return true;
  });
  const engine = await findings.of(() => createEngine(options, experiment.training.precision));
  const inputs = canRead === true ? await findings.of(() => openStreamInputs(experiment)) : undefined;
  try {
    const hasStart = inputs === undefined || (await checkStart(experiment, inputs, findings));
    const checked =
      inputs && hasStart ? await findings.of(() => checkStream(experiment, inputs, findings, onWarning)) : undefined;
    findings.throwIfAny();
    warnOfUnused(experiment, onWarning);
    // Without problems, every step has a result; the engine may be undefined by its type.
    const { description, step: input } = checked as CheckedStream;
    if (input === undefined) return { experiment, stream: description, trained: undefined };
    const step = await oneStep(engine!, experiment, { ...input, tasks: inputs!.tasks }, onWarning);
    return { experiment, stream: description, trained: { step, disk: await estimateDisk(experiment, step) } };
  } finally {
    await inputs?.stream.close();
  }
}

/**
 * Compiles the training step of a config, with vocabularies from a sample of its rows, and prints a list of its calls.
 * @throws UserError with the problems of the config and its data
 */
export async function describeProgram(
  options: Pick<CheckOptions, 'path' | 'set' | 'sampleRows'>,
  list: ListName,
): Promise<string> {
  const { experiment, rows, inputs } = await checkConfig(options, () => Promise.resolve(undefined));
  return printProgram(compile(planStep(experiment, { ...rows, ...inputs })), list);
}

type CheckedOptions = Pick<CheckOptions, 'path' | 'set' | 'sampleRows'> & Partial<Pick<CheckOptions, 'onWarning'>>;

/** A valid config with its opened data. */
interface CheckedConfig<Opened> {
  readonly experiment: Experiment;
  readonly engine: Opened;
  readonly inputs: RunInputs;
  readonly rows: CheckedRows;
  readonly sampler: RowSampler;
}

/**
 * Checks a config, the engine, files and headers, the initial checkpoint, the run directory and the rows, in this
 * order.
 * @throws UserError with all problems
 */
async function checkConfig<Opened>(
  { sampleRows, onWarning = () => undefined, ...options }: CheckedOptions,
  openEngine: (experiment: Experiment) => Promise<Opened>,
): Promise<CheckedConfig<Opened>> {
  const findings = collectFindings();
  const sampler = createRowSampler(sampleRows);
  const experiment = await readExperiment(options, findings, (sections) => checkFiles(sections, sampler, findings));
  const engine = await findings.of(() => openEngine(experiment));
  const inputs = await findings.of(() => openInputs(experiment, { open: sampler.open }));
  const rows = inputs && (await checkInputs(experiment, inputs, sampler, findings, onWarning));
  findings.throwIfAny();
  // Without problems, every step has a result; the engine may be undefined by its type.
  return { experiment, engine: engine as Opened, inputs: inputs!, rows: rows!, sampler };
}

/**
 * Reads a config.
 * @param checkSections checks what the valid sections of an invalid config name
 * @throws UserError with all problems of an invalid config
 */
async function readExperiment(
  { path, set }: Pick<CheckOptions, 'path' | 'set'>,
  findings: Findings,
  checkSections: (sections: Partial<Experiment>) => Promise<void> = () => Promise.resolve(),
): Promise<Experiment> {
  const { experiment, sections, problems } = await readConfig(path, set.map(parseOverride));
  findings.add('config', problems);
  if (experiment !== undefined) return experiment;
  await checkSections(sections);
  findings.throwIfAny();
  throw new Error('an invalid config must have problems');
}

/** Checks the teachers, the initial checkpoint, the run directory and the rows. */
async function checkInputs(
  experiment: Experiment,
  inputs: RunInputs,
  sampler: RowSampler,
  findings: Findings,
  onWarning: (text: string) => void,
): Promise<CheckedRows | undefined> {
  const { start } = inputs;
  await findings.of(() => inputs.teachers.find());
  const hasStart = await checkStart(experiment, inputs, findings);
  if (hasStart && start.counters !== undefined) inputs.counters?.warmStart(start.counters(), onWarning);
  const grow: typeof start.grow = (fitted) => start.grow(fitted);
  return checkRows(experiment.data, { ...inputs, ...(hasStart && { grow }) }, sampler, findings);
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

/** Checks the files of an invalid config, as far as its sections are valid. */
async function checkFiles(sections: Partial<Experiment>, sampler: RowSampler, findings: Findings): Promise<void> {
  const { data, features, tasks } = sections;
  if (data === undefined) return;
  const rows = await findings.of(() => planRows(sections));
  const sources = rows && (await findings.of(() => openData(data, rows.format, { open: sampler.open })));
  if (rows !== undefined && sources !== undefined && features !== undefined && tasks !== undefined)
    await checkRows(data, { ...rows, sources }, sampler, findings);
}
