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
    'too little space for a checkpoint': 'reports required and free bytes before it writes anything',
    'quota, read-only disk, failing sync or rename':
      'ends with exit code 5 and leaves the old checkpoint, and nothing half',
  },
  'runs/processes.test.ts': {
    'a second signal': 'ends the process at once and leaves complete checkpoints',
    'disk full': 'ends with exit code 5, reports required and free bytes, and leaves saved files complete',
    'two processes train one run': 'are excluded by the lock',
  },
  'runs/resume.test.ts': {
    'the newest checkpoint is damaged': 'skips a damaged checkpoint with a warning and uses the one before',
    'no checkpoint is complete': 'without an intact checkpoint is an error that names each',
  },
  'cli/cli.test.ts': {
    'Ctrl-C or SIGTERM': 'saves a checkpoint and exits at %s with code %i',
  },
  'runs/threads.test.ts': {
    'an engine worker exits or runs out of memory':
      '%s ends the run in words with exit code 1, and the newest checkpoint is whole',
    'an encoding thread exits': 'ends the reading in words, and leaves nothing half',
  },
  'engines/native.test.ts': {
    'no C compiler, or it fails': 'remembers a failed compiler for a day, unless a build is requested explicitly',
  },
  'cluster/train.test.ts': {
    'a distributed process is killed': 'exits and resumes bitwise identically',
  },
  'cluster/peers.test.ts': {
    'a distributed process stops responding': 'name the rank that does not respond, and all exit',
  },
  'io/output-target.test.ts': {
    'a command is killed while it writes `--out`':
      'of a killed writer goes with the next write to its path, and with that alone',
  },
  'runs/runs.test.ts': {
    'a checkpoint of an older format': 'of an earlier format are refused with its version and the fix',
    'a checkpoint file with a flipped bit, cut, missing or too long': 'with one flipped bit in %s are rejected',
    'non-finite weights or optimizer state': 'are not written where the %s hold a number that is not finite',
  },
  'runs/other-tensors.test.ts': {
    'a damaged `optimizer.safetensors`': 'is readable without the optimizer state',
  },
  'runs/resume-changes.test.ts': {
    'changed bytes in training or validation data': 'a label of %s that is another is refused',
  },
  'runs/lock.test.ts': {
    'a lock of a killed process in another container, same host name': 'is taken over if its heartbeat is stale',
    'a lock of another machine': 'of another machine is an error that explains how to remove it',
  },
  'promote/promote.test.ts': {
    'two promotions to one channel': 'compares again if another run was promoted in the meantime',
  },
  'training/divergence.test.ts': {
    'a non-finite loss': 'stops a run by default, saved before the batch, from where it may skip it',
    'the same with `training.onDivergence: skip`': 'skips its batch if configured, and is counted everywhere',
  },
  'serve/alarms.test.ts': {
    'a window of a stream with alarms':
      'keeps the weights before an alarm, logs it once, and applies held deltas when it ends',
  },
  'data/cache.test.ts': {
    'data that changed, whatever its size and times': 'is not reused for a file that %s',
    'data on a disk that does not report changes': 'is verified by content if verifyData is set',
    'a shard with overwritten bytes, cached or prepared': 'reports overwritten labels with the fix',
  },
  'data/hostile.test.ts': {
    'a CSV row with a misplaced quote, with `onBadRow: skip`':
      'with misplaced quotes has the other rows of csv-parse, for any chunk size',
  },
  'data/parquet-cases.test.ts': {
    'damaged bytes': '%s with damaged bytes is read or rejected with an error',
  },
  'data/parquet.test.ts': {
    'a null or empty item, or an invalid weight': 'of a list item without id or weight rejects the row',
    'a struct, a list of lists, or pairs with unexpected field names':
      'of an unsupported type is rejected with column, type and fix: %s',
    'a file that is not Parquet, or is empty, encrypted or a Git LFS pointer; a duplicate column': 'rejects %s',
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
      : ts.isIdentifier(callee) && ['it', 'eachByNight'].includes(callee.text);
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
