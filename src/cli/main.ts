import { setImmediate } from 'node:timers/promises';
import yargs, { type Argv } from 'yargs';
import { EXIT_CODES, userError } from '../errors.js';
import { RECIPE_NAMES } from '../prepare/recipes.js';
import { packageVersion } from '../runs/package-version.js';
import { tell, usageProblem } from './complaints.js';
import { crossesOptions } from './crosses-options.js';
import { importanceOptions } from './importance-options.js';
import { dataPath, deviceOption, filesOption, jsonOption, perField, setOption, shareOrZero, threadsOption, verifyDataOption, whole, wholeOrNone } from './options.js';
import { serveOptions } from './serve-options.js';
import { synthOptions } from './synth-options.js';

/** Options that may be given many times, or with many values. */
const LISTS = ['set', 'keep', 'data', 'paths'];

// Commands are loaded when they are called, so that help costs nothing.

/**
 * Runs the command line.
 * @param args what follows the command's name
 * @returns the exit code
 */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that went away, or a full disk under what is printed, must not end a run of hours.
  let outputError: NodeJS.ErrnoException | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') outputError = error;
    });
  }
  let exitCode: number = EXIT_CODES.done;
  const finish = async (run: Promise<number>): Promise<void> => {
    exitCode = await run;
  };
  try {
    // With a callback, yargs hands over the text of --help and --version, with the commands that were given.
    let [words, text]: [readonly unknown[], string] = [[], ''];
    await commands(yargs(), finish).parseAsync(args, {}, (_error, argv, output) => void ([words, text] = [argv._, output]));
    // Without its --help, the complaint about an unknown command.
    if (isOfUnknown(words, text)) await commands(yargs(), finish).parseAsync(args.filter((arg) => arg !== '--help' && arg !== '-h'));
    else if (text !== '') process.stdout.write(`${text}\n`);
    await setImmediate();
    if (outputError !== undefined) throw userError('disk', { where: 'standard output', message: `cannot be written (${outputError.code})` }, outputError);
    return exitCode;
  } catch (error) {
    return tell(error);
  }
}

/** Whether a help text is that of the command above, since there is none of the name that was given. */
function isOfUnknown(words: readonly unknown[], text: string): boolean {
  const [, above] = /^mtl((?: \w+)*) <command>\n/.exec(text) ?? [];
  return above !== undefined && words.length > above.split(' ').length - 1;
}

function commands(cli: Argv, finish: (run: Promise<number>) => Promise<void>): Argv {
  return cli
    .scriptName('mtl')
    .usage('$0 <command>\n\nTrain multi-task recommenders (ESMM, MMOE, …) on click and conversion logs, from one YAML file.')
    .command(
      'train [config]',
      'train what a config describes, into a new run folder, or go on with a run',
      (y) =>
        y
          .positional('config', { type: 'string', describe: 'YAML file; with --resume RUN, the one of that run where it is left out' })
          .option('set', setOption)
          .option('device', deviceOption)
          .option('threads', threadsOption)
          .option('name', { type: 'string', requiresArg: true, describe: 'name of the run in place of the next number' })
          .conflicts('name', 'run-dir')
          .option('run-dir', { type: 'string', requiresArg: true, describe: 'the very folder of the run' })
          .option('resume', { type: 'string', requiresArg: true, describe: 'go on with the run in this folder; auto: with the one that --run-dir or --name says, else the newest that has not ended, else anew' })
          .option('init-from', { type: 'string', requiresArg: true, describe: 'start from the weights of this run or checkpoint: --set initFrom.checkpoint' })
          .option('verify-data', verifyDataOption)
          .option('json', jsonOption)
          .example('$0 train configs/esmm.yaml --set training.epochs=10', '')
          .example('$0 train configs/esmm.yaml --init-from runs/latest', '')
          .example('$0 train --resume runs/latest', ''),
      async ({ config, set = [], initFrom, device, threads, name, runDir, resume, verifyData, json }) => {
        const { runTrain } = await import('./train-command.js');
        const changes = initFrom === undefined ? set : [...set, `initFrom.checkpoint=${JSON.stringify(initFrom)}`];
        await finish(runTrain({ config, set: changes, device, threads, name, runDir, resume, verifyData, json }));
      },
    )
    .command(
      'eval <path>',
      'measure a run or a checkpoint',
      (y) =>
        y
          .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
          .option('data', filesOption("CSV, Parquet or shards in place of the config's data"))
          .option('by', { type: 'string', requiresArg: true, describe: "column by whose values all is measured once more, in place of the config's; repeatable", coerce: (value: string | readonly string[]): readonly string[] => [value].flat() })
          .option('device', deviceOption)
          .option('threads', threadsOption)
          .option('verify-data', verifyDataOption)
          .option('json', jsonOption)
          .example('$0 eval runs/latest', ''),
      async ({ path, data, by, device, threads, verifyData, json }) => {
        const { runEval } = await import('./eval-command.js');
        await finish(runEval({ path, data, by, device, threads, verifyData, json }));
      },
    )
    .command(
      'predict <path>',
      'predict every row of some data with a run or a checkpoint',
      (y) =>
        y
          .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
          .option('data', { ...filesOption('CSV, JSON Lines, Parquet or shards, - for a text from standard input; labels are not needed'), demandOption: true })
          .option('format', { choices: ['csv', 'jsonl'] as const, describe: 'of --data, where it is a text; in place of data.format' })
          .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'file to write: .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet; - for CSV on standard output' })
          .option('keep', { type: 'string', array: true, requiresArg: true, default: [] as string[], describe: 'columns of the data that are written too, as they are; all for all of them' })
          .option('prefix', { type: 'string', default: '', describe: 'put before the names of predictions' })
          .option('top', wholeOrNone('--top', 'write only so many rows of each group, the best first'))
          .option('by', { type: 'string', requiresArg: true, describe: 'with --top: the column whose cells are the groups' })
          .option('rank', { type: 'string', requiresArg: true, describe: 'with --top: the prediction that decides which rows are the best; the last one where it is left out' })
          .option('on-bad-row', { choices: ['error', 'skip'] as const, describe: 'in place of data.onBadRow; skip leaves the prediction of a bad row empty' })
          .option('device', deviceOption)
          .option('threads', threadsOption)
          .option('json', jsonOption)
          .example('$0 predict runs/latest --data today.csv --out scores.csv --keep user item', '')
          .example('cat today.jsonl | $0 predict runs/latest --data - --out - --keep all', '')
          .example('$0 predict runs/latest --data today.csv --out best.csv --top 10 --by user --keep item', ''),
      async ({ path, data, format, out, keep, prefix, top, by, rank, onBadRow, device, threads, json }) => {
        const { runPredict } = await import('./predict-command.js');
        await finish(runPredict({ path, data, format, out, keep, prefix, top, by, rank, onBadRow, device, threads, json }));
      },
    )
    .command(
      'importance <path>',
      'measure what a run or a checkpoint owes to each field',
      importanceOptions,
      async ({ groups: byGroup, path, data, rows, repeats, rank, seed, out, dropWorst, config, verifyData, device, threads, json }) => {
        const { runImportance } = await import('./importance-command.js');
        await finish(runImportance({ path, data, rows, repeats, byGroup, rank, seed, out, dropWorst, config, verifyData, device, threads, json }));
      },
    )
    .command(
      'crosses <config>',
      'find pairs of columns that say more of a label together than each for itself',
      crossesOptions,
      async ({ config, set = [], task, top, rows, seed, threads, verifyData, json }) => {
        const { runCrosses } = await import('./crosses-command.js');
        await finish(runCrosses({ config, set, task, top, rows, seed, threads, verifyData, json }));
      },
    )
    .command(
      'export <path>',
      'write a model in a format that others read',
      (y) =>
        y
          .positional('path', { type: 'string', demandOption: true, describe: 'run folder or checkpoint' })
          .option('format', { type: 'string', requiresArg: true, demandOption: true, describe: 'onnx: the whole model, for ONNX Runtime and its like; safetensors: all weights by their names; embeddings: tables with what their rows are called' })
          .option('out', { type: 'string', requiresArg: true, demandOption: true, describe: 'a file, .onnx or .safetensors; for embeddings, a folder; replaced where it is there' })
          .option('bags', { type: 'string', requiresArg: true, describe: 'onnx: bags as the items of all rows with offsets (the default), or padded to the longest' })
          .option('with-encoders', { type: 'boolean', describe: 'onnx: take cells as they stand in the data, with vocabularies and scales in the file' })
          .option('files', { type: 'string', requiresArg: true, describe: "embeddings: parquet, projector (TensorBoard's), or both (the default)" })
          .option('quantize', { type: 'string', requiresArg: true, describe: 'int8: tables in 8 bits with a scale a row; what that costs in AUC is measured and printed' })
          .option('device', deviceOption)
          .option('threads', threadsOption)
          .option('json', jsonOption)
          .example('$0 export runs/latest --format onnx --with-encoders --out model.onnx', '')
          .example('$0 export runs/latest --format embeddings --out embeddings/', ''),
      async ({ path, format, out, bags, withEncoders, files, quantize, device, threads, json }) => {
        const { runExport } = await import('./export-command.js');
        await finish(runExport({ path, format, out, asked: { bags, withEncoders, files, quantize }, device, threads, json }));
      },
    )
    .command(
      'serve <paths..>',
      'answer requests for predictions over HTTP',
      serveOptions,
      async ({ paths, name, host, port, workers, reload, reloadEvery, maxBody, maxRows, timeout, json }) => {
        const { runServe } = await import('./serve-command.js');
        await finish(runServe({ paths, name, host, port, workers, reload, reloadEvery, maxBody, maxRows, timeout, json }));
      },
    )
    .command('config <command>', 'show configs and their schema', (y) =>
      y
        .command(
          'show <config>',
          'print a config with overrides and defaults',
          (z) => z.positional('config', { type: 'string', demandOption: true, describe: 'YAML file' }).option('set', setOption),
          async ({ config, set = [] }) => {
            const { runConfigShow } = await import('./config-command.js');
            await finish(runConfigShow(config, set));
          },
        )
        .command('schema', 'print the JSON Schema of configs', {}, async () => {
          const { runConfigSchema } = await import('./config-command.js');
          await finish(Promise.resolve(runConfigSchema()));
        })
        .demandCommand(1, 'expected show or schema'),
    )
    .command('data <command>', 'show and remove the encoded rows that runs keep beside the data', (y) =>
      y
        .command(
          'info <path>',
          'describe the data of a config (rates, blanks, unknown ids, drift, leaks), or show what is kept of data',
          (z) => z.positional('path', dataPath).option('json', jsonOption),
          async ({ path, json }) => {
            const { runDataInfo } = await import('./data-command.js');
            await finish(runDataInfo({ path, json }));
          },
        )
        .command(
          'clean <path>',
          'remove what is kept; the next run reads the data again',
          (z) => z.positional('path', dataPath).option('stale', { type: 'boolean', default: false, describe: 'only what no longer fits its data' }).option('json', jsonOption),
          async ({ path, stale, json }) => {
            const { runDataClean } = await import('./data-command.js');
            await finish(runDataClean({ path, stale, json }));
          },
        )
        .demandCommand(1, 'expected info or clean'),
    )
    .command(
      'prepare <data> <raw> <out>',
      'make a data set to train on out of raw files',
      (y) =>
        y
          .positional('data', { choices: ['ali-ccp'] as const, demandOption: true, describe: 'what the raw files are' })
          .positional('raw', { type: 'string', demandOption: true, describe: 'folder of sample_skeleton_{train,test}.csv and common_features_{train,test}.csv' })
          .positional('out', { type: 'string', demandOption: true, describe: 'new folder; one of an interrupted run is gone on with' })
          .option('min-count', perField('--min-count', 10, 'ids with fewer occurrences in train become 0, the unknown'))
          .option('cap', perField('--cap', 10, 'values of a row that a multi-valued field keeps, the heaviest'))
          .option('valid-share', shareOrZero('--valid-share', 0.1, "share of train's sessions that become valid"))
          .option('as', { choices: RECIPE_NAMES, describe: "as a paper did it, for its config in configs/compare: minimum counts, caps and what becomes valid are the paper's" })
          .option('max-bad-rows', whole('--max-bad-rows', 0, 'so many bad rows are dropped and listed in rejects.csv; one more is an error', undefined, 0))
          .option('seed', whole('--seed', 2026, 'decides which sessions become valid'))
          .option('threads', threadsOption)
          .option('json', jsonOption)
          .example('$0 prepare ali-ccp downloads/ data/ali-ccp', '')
          .example('$0 train data/ali-ccp/config.yaml', '')
          .example('$0 prepare ali-ccp downloads/ data/aitm --as aitm', ''),
      async ({ as: recipe, raw, out, minCount, cap, validShare, maxBadRows, seed, threads, json }) => {
        const { runPrepare } = await import('./prepare-command.js');
        await finish(runPrepare({ raw, out, recipe, minCounts: minCount, caps: cap, validShare, maxBadRows, seed, threads, json }));
      },
    )
    .command(
      'synth <folder>',
      'generate data of the shape of Ali-CCP with a planted truth',
      synthOptions,
      async (args) => {
        const { runSynth } = await import('./synth-command.js');
        const { positionBias, selectionBias, confounder } = args;
        await finish(runSynth({ ...args, biases: { position: positionBias, selection: selectionBias, confounder } }));
      },
    )
    .demandCommand(1, 'expected a command')
    .strict()
    .check((args) => {
      // yargs makes a list of what is given twice.
      const repeated = Object.keys(args).find((name) => name !== '_' && !LISTS.includes(name) && Array.isArray(args[name]));
      if (repeated !== undefined) throw userError('usage', { where: `--${repeated}`, message: 'is given more than once' });
      // The commands' own names are all that may be left over.
      const extra = args._.slice(args._[0] === 'config' || args._[0] === 'data' ? 2 : 1);
      if (extra.length > 0) throw userError('usage', { where: String(extra[0]), message: 'is one argument too many', ...('data' in args && { fix: 'a glob stands in quotes, as in --data "logs/*.csv"' }) });
      return true;
    }, true)
    .recommendCommands()
    .parserConfiguration({ 'parse-positional-numbers': false })
    .version(packageVersion())
    .alias('h', 'help')
    .exitProcess(false)
    .updateStrings({
      'Invalid values:': 'a value that cannot be:',
      'Argument: %s, Given: %s, Choices: %s': '%s is %s, expected one of %s',
      'Arguments %s and %s are mutually exclusive': '--%s and --%s are mutually exclusive: leave one of them out',
      'Not enough arguments following: %s': '--%s: expected a value',
    })
    .fail((message, error: Error | undefined, help) => {
      // yargs gives either its own complaint or an error that a handler threw.
      if (error) throw error;
      // What it hands over prints help, whatever its types say: the first line is how the command is written.
      const [usage = ''] = (help as unknown as { help(): string }).help().split('\n');
      const [words] = /^\w+(?: \w+)*/.exec(usage) ?? ['mtl'];
      throw userError('usage', usageProblem(message, usage, `see ${words} --help`));
    });
}
