import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** The test that proves the behavior at each fault of docs/explanation/failure-modes.md, by file and title. */
const TESTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'runs/kill.test.ts': {
    '`kill -9` at any moment': 'leaves what goes on to the same bytes',
  },
  'runs/crash.test.ts': {
    'the process dies in a write, sync or rename of a save': 'leaves the old checkpoint or the new one, whole',
    'power loss: unsynced writes are gone': 'leaves the old checkpoint or the new one, whole',
    'death between a checkpoint and its links': 'leaves the old checkpoint or the new one, whole',
    "killed before the run's config is written": 'leaves a folder in which --resume auto starts anew',
    'too little space for a checkpoint': 'reports required and free bytes before it writes anything',
    'quota, read-only disk, failing sync or rename':
      'ends with exit code 5 and leaves the old checkpoint, and nothing half',
  },
  'runs/processes.test.ts': {
    'the system kills the process inside a call': 'leaves a checkpoint that is whole',
    'a second signal': 'ends the process at once and leaves complete checkpoints',
    'the reader of stdout exits': 'does not stop training',
    'disk full': 'ends with exit code 5, reports required and free bytes, and leaves saved files complete',
    'a run directory without write permission':
      'ends with exit code 5, reports required and free bytes, and leaves saved files complete',
    'a file size limit': 'ends with exit code 5, the required and the free space, and the old checkpoint as it was',
    'two processes train one run': 'are excluded by the lock',
    'a lock of a running process in another container, same host name':
      'do not train the same run, although neither sees the processes of the other',
  },
  'runs/resume.test.ts': {
    'killed before the first checkpoint': 'starts from the beginning in a named directory without a checkpoint',
    'a stop within an epoch, at its end or during validation': 'is bitwise identical after stops at steps %j',
    'the newest checkpoint is damaged': 'skips a damaged checkpoint with a warning and uses the one before',
    'no checkpoint is complete': 'without an intact checkpoint is an error that names each',
    "an unknown section of the run's state": 'does not resume if its checkpoint has an unknown section',
  },
  'cli/cli.test.ts': {
    'Ctrl-C or SIGTERM': 'saves a checkpoint and exits at %s with code %i',
  },
  'study/worker-crash.test.ts': {
    'a worker of `mtl sweep` dies or is stopped after the last step':
      'leaves a trial with an undisturbed result to the next worker wherever it %s an operation',
  },
  'training/parts.test.ts': {
    'a stop under any schedule, weighting or optimizer': 'under the weighting %s (%s, %j)',
  },
  'training/within-epoch.test.ts': {
    'a stop when a validation is due': 'resumes byte for byte after %j steps',
  },
  'runs/threads.test.ts': {
    'an engine worker exits or runs out of memory':
      '%s ends the run in words with exit code 1, and the newest checkpoint is whole',
    'an encoding thread exits': 'ends the reading in words, and leaves nothing half',
    'an engine thread cannot start': 'leaves the engine the others, a notice, and the same weights',
    'an encoding thread cannot start': 'leaves the others to encode rows, and the same shards',
  },
  'engines/team.test.ts': {
    'a kernel aborts within a step': 'throws a readable error, and nothing runs afterwards',
  },
  'engines/native.test.ts': {
    'no C compiler, or it fails': 'remembers a failed compiler for a day, unless a build is requested explicitly',
    'several processes build kernels at once, or one dies':
      'leaves a complete addon if several processes build at once',
  },
  'engines/native-proof.test.ts': {
    'native kernels differ bitwise from WebAssembly': 'are not used if they differ bitwise',
  },
  'system/native-build.test.ts': {
    'several first commands start, or the builder in the background is killed':
      'is not started while another process builds, and replaces one that was killed',
    'the kernel cache is not writable': "is built in a folder of the temporary one that is this user alone's, once",
  },
  'engines/prebuilt.test.ts': {
    'a package of native kernels has another version, does not load or differs': 'are replaced by compiled ones if',
  },
  'cluster/train.test.ts': {
    'a distributed process is killed': 'exits and resumes bitwise identically',
  },
  'cluster/peers.test.ts': {
    'a distributed process stops responding': 'name the rank that does not respond, and all exit',
  },
  'runs/busy-log.test.ts': {
    'the log is busy (EAGAIN)': 'ends the run with code 5, the file and the operation when it stays so (%s)',
  },
  'cli/system-error.test.ts': {
    'too many open files or threads, or no address space': '%s is reported as such, not as a bug',
  },
  'cli/open-files.test.ts': {
    'a low limit of open files (`ulimit -n`)': 'exits with code 5 and names the limit, or succeeds: %s',
  },
  'data/writer-disk.test.ts': {
    'disk failure or death while rows are cached':
      'are synced before their manifest, and complete or absent after any disk failure',
  },
  'data/cache-place.test.ts': {
    'a directory that the system refuses to create': 'fails early if it cannot be created',
  },
  'io/output-target.test.ts': {
    '`--out` is a link, FIFO or character device': 'writes into a FIFO, which stays, directly or through a link',
    '`--out` is a directory, socket or block device': 'refuses a directory, a socket and a block device',
    'a command is killed while it writes `--out`':
      'of a killed writer goes with the next write to its path, and with that alone',
  },
  'runs/runs.test.ts': {
    'a checkpoint file with a flipped bit, cut, missing or too long': 'with one flipped bit in %s are rejected',
    'a manifest that names other files, or any text': 'whose manifest names %s are rejected',
    'a pipe or directory instead of a checkpoint file':
      'with a pipe or a directory in place of a file are rejected without waiting',
    'a link that leads out of the run': 'are not followed through links out of the run',
    'non-finite weights or optimizer state': 'are not written where the %s hold a number that is not finite',
  },
  'runs/other-tensors.test.ts': {
    'a missing, extra, renamed or reshaped tensor': 'with %s is an error that names the file and the tensor',
    'a damaged `optimizer.safetensors`': 'is readable without the optimizer state',
  },
  'runs/without-sections.test.ts': {
    'a checkpoint of an older format': 'resumes with all its state',
  },
  'runs/resume-changes.test.ts': {
    "a config other than the run's": '%s is rejected with both values, and the run is unchanged',
    'changed bytes in training or validation data': 'a label of %s that is another is refused',
    'moved training or validation data, same bytes':
      'moved data with the same content resumes to bitwise identical results',
  },
  'io/safetensors.test.ts': {
    'a safetensors file of arbitrary bytes': 'with %s are a checkpoint error',
  },
  'runs/lock.test.ts': {
    'a lock of a dead process, or a reused process id': 'of %s is taken over',
    'a lock of a killed process in another container, same host name': 'is taken over if its heartbeat is stale',
    'a process pauses so long that another replaces it': 'that another process took over is detected before a write',
    'a lock of another machine': 'of another machine is an error that explains how to remove it',
  },
  'promote/promote.test.ts': {
    'two promotions to one channel': 'compares again if another run was promoted in the meantime',
  },
  'runs/channels.test.ts': {
    'a promotion dies': 'has one run or the other wherever a promotion %s an operation, and goes on',
  },
  'training/divergence.test.ts': {
    'a non-finite loss': 'stops a run by default, saved before the batch, from where it may skip it',
    'the same with `training.onDivergence: skip`': 'skips its batch if configured, and is counted everywhere',
    'weights that cannot recover': 'ends a run even with skip if weights are not finite',
  },
  'engines/refused-step.test.ts': {
    'a value that makes running statistics non-finite, not the loss':
      'is skipped: weights, moments, running statistics and dropout continue',
  },
  'weightings/weightings.test.ts': {
    'a loss weighting receives a non-finite value': 'ignores %s',
  },
  'serve/alarms.test.ts': {
    'a window of a stream with alarms':
      'keeps the weights before an alarm, logs it once, and applies held deltas when it ends',
  },
  'training/stepper.test.ts': {
    'a skipped step': 'change nothing if they are skipped (%s)',
  },
  'engines/average.test.ts': {
    'validation with EMA weights fails or is stopped':
      'restores the training weights if work with the EMA fails, and training continues',
  },
  'config/config.test.ts': {
    'a hostile config: alias bombs, nesting, `__proto__`, tags, size': 'with %s is rejected quickly with a clear error',
    'a row-wise optimizer for dense weights': 'with a row-wise optimizer for dense weights suggests an alternative',
  },
  'hostile.test.ts': {
    'a config of arbitrary text': 'is read or refused',
    'names with terminal control or right-to-left characters': 'with a name that drives a terminal shows it as text',
  },
  'cli/no-file.test.ts': {
    'a pipe without a writer instead of a config': 'is rejected as a config before it is opened',
    'a socket or device instead of data': 'must not be a socket or device',
  },
  'models/sampled.test.ts': {
    'negative sampling that predictions could not be corrected for':
      'is rejected if its predictions cannot be corrected: %s',
  },
  'data/cache.test.ts': {
    'data that changed, whatever its size and times': 'is not reused for a file that %s',
    'data on a disk that does not report changes': 'is verified by content if verifyData is set',
    'a shard with overwritten bytes, cached or prepared': 'reports overwritten labels with the fix',
    'a cached vocabulary with a flipped bit, or cut': 'stores a long vocabulary as tensors and rejects damaged ones',
  },
  'features/vocabulary.test.ts': {
    'more text in a field than a vocabulary can hold': 'rejects more bytes than its limit, with a fix',
  },
  'data/hostile.test.ts': {
    'a CSV row with a misplaced quote, with `onBadRow: skip`':
      'with misplaced quotes has the other rows of csv-parse, for any chunk size',
    'an unclosed quote': 'with %s is rejected with its line',
    'bytes that are not UTF-8': 'with %s loses and reports only that row',
  },
  'data/long-records.test.ts': {
    'a row above a megabyte, in a file or a stream': 'is an invalid record of a growing file, and a read continues',
  },
  'data/pipes.test.ts': {
    'a stream that ends within a compressed member or a row': 'with %s is rejected and leaves nothing in the cache',
    'SIGINT while no program writes to a pipe': 'ends the process on SIGINT while no writer comes',
  },
  'text/csv-text.test.ts': {
    'values that a spreadsheet would run as formulas':
      'prefixes spreadsheet formulas with an apostrophe, but not numbers',
  },
  'data/labels.test.ts': {
    'a missing label without `onMissing`': 'is an error by default, with the fix',
    'a label 1 whose parent label is 0': 'is an error if it is 1 and given is not, with the fix',
    'a value that a condition cannot compare': 'rejects a row whose value a condition cannot compare',
  },
  'data/parquet-cases.test.ts': {
    'any type, codec, encoding, page version and null pattern': "%s has the values of DuckDB's export",
    'damaged bytes': '%s with damaged bytes is read or rejected with an error',
  },
  'data/parquet.test.ts': {
    'list items with a pipe, colon or `__proto__`; duplicate map keys':
      'of a list is read as items, whatever separators they contain',
    'a null or empty item, or an invalid weight': 'of a list item without id or weight rejects the row',
    'a struct, a list of lists, or pairs with unexpected field names':
      'of an unsupported type is rejected with column, type and fix: %s',
    'a row group larger than memory': 'requires memory per page, not per row group',
    'a file that is not Parquet, or is empty, encrypted or a Git LFS pointer; a duplicate column': 'rejects %s',
  },
  'data/parquet-pages.test.ts': {
    'pages of many MB, as DuckDB writes them': 'yields all values in parts, also after nulls (%s)',
    'large dictionaries in many columns': 'requires memory independent of the number of dictionary columns',
  },
  'data/parquet-fuzz.test.ts': {
    'levels that claim more or fewer values than the page':
      'yield each value once in order, or an error with exit code 3: %s',
    'a footer with damaged bytes': 'is read, or rejected with exit code 3: %s',
  },
  'data/parquet-damage.test.ts': {
    'a level above the maximum of its column': 'of %i above the maximum of 1 are rejected',
    'an encrypted column': 'with an encrypted column allows the other columns and rejects that one',
  },
};

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'explanation', 'failure-modes.md'), 'utf8');
const sections = page.split(/^## /m).filter((section) => section.includes('\n| fault | behavior |\n'));
const rows = sections.flatMap((section) => [...section.matchAll(/^\| (.+?) \| .+ \|$/gm)].map(([, fault]) => fault!));
const tests = Object.entries(TESTS).flatMap(([file, titles]) =>
  Object.entries(titles).map(([fault, title]) => ({ file, fault, title })),
);

/** Returns the titles of all tests of a file, whatever `it` is called with. */
function titlesIn(path: string): readonly string[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const isIt = (callee: ts.Expression): boolean =>
    ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee)
      ? isIt(callee.expression)
      : ts.isIdentifier(callee) && callee.text === 'it';
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isIt(node.expression)) {
      const [title] = node.arguments;
      if (title !== undefined && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)))
        titles.push(ts.isStringLiteralLike(title) ? title.text : title.getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

describe('docs/explanation/failure-modes.md', () => {
  it('has a row for every fault, once', () => {
    const faults = rows.filter((fault) => fault !== 'fault');
    expect(faults.sort()).toEqual(tests.map(({ fault }) => fault).sort());
  });

  it.each(tests)('describes behavior that a test proves: $fault', ({ file, title }) => {
    const path = join(import.meta.dirname, file);
    expect(existsSync(path), path).toBe(true);
    expect(
      titlesIn(path).filter((each) => each.includes(title)),
      title,
    ).not.toEqual([]);
  });
});
