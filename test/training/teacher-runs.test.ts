/** @module-tag long */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { check } from '../../src/check.js';
import { randomStream } from '../../src/core/random.js';
import { predict, type PredictOptions } from '../../src/predict.js';
import { report } from '../../src/report.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, trainSmall, type SmallRun } from '../support/small-run.js';

// The independent route: predictions of `mtl predict` are pasted to the files as columns.

let folder: string;
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = scratchFolder();
  vi.stubEnv('MTL_RUNS', at('runs'));
  return () => vi.unstubAllEnvs();
});

const HEADER = 'click,buy,user,item,age,day';

/** Writes the lines of rows; `click` depends on all features, `buy` on the item. */
function logLines(rows: number, seed: number): string[] {
  const random = randomStream(seed, 'log');
  return Array.from({ length: rows }, () => {
    const [user, item, age, day] = [random.below(9), random.below(12), random.below(60), random.below(4)];
    const click = Number(random.below(100) < 10 + 6 * (user % 4) + 4 * (item % 5) + (age > 30 ? 15 : 0));
    return [click, click * Number(random.below(12) < item), user, `i${item}`, age / 2, day].join(',');
  });
}

const csv = (lines: readonly string[], header = HEADER): string => [header, ...lines, ''].join('\n');

const TASKS = 'ctr: { label: click }\n  cvr: { label: buy, given: click }';

/** Writes the config of a teacher, which reads more columns than a student. */
function writeTeacher(more = ''): string {
  writeFileSync(
    at('teacher.yaml'),
    `data: { train: train.csv, valid: valid.csv${more} }
features:
  ids: { type: categorical, fields: [user, item], width: 4, encoding: { name: tokens, minCount: 3 } }
  numbers: { type: numeric, fields: [age], scaling: standard }
tasks:
  ${TASKS}
model: { name: shared-bottom, hidden: [8], tower: { hidden: [4] } }
training: { epochs: 2, batchSize: 32, monitor: ctr.auc }
`,
  );
  return at('teacher.yaml');
}

/** Writes the config of a student. */
function writeStudent(data: string, distill: (task: string) => string): string {
  const task = (name: string, rest: string): string =>
    `${name}: { ${rest}, distill: { ${distill(name)}, weight: 0.7 } }`;
  writeFileSync(
    at('student.yaml'),
    `data: ${data}
features: { ids: { type: categorical, fields: [user, item], width: 2, encoding: tokens } }
tasks:
  ${task('ctr', 'label: click')}
  ${task('cvr', 'label: buy, given: click')}
model: { name: shared-bottom, hidden: [4], tower: { hidden: [] } }
training: { epochs: 2, batchSize: 32, monitor: ctr.auc }
`,
  );
  return at('student.yaml');
}

async function trainTeacher(options: SmallRun = {}, more = ''): Promise<string> {
  writeFileSync(at('train.csv'), csv(logLines(600, 1)));
  writeFileSync(at('valid.csv'), csv(logLines(200, 2)));
  return (await trainSmall(writeTeacher(more), options)).run;
}

/** Predicts a file, with empty predictions for invalid rows. */
async function predictFile(
  run: string,
  options: Pick<PredictOptions, 'data' | 'out' | 'keep' | 'prefix'>,
): Promise<void> {
  const others = { device: 'cpu', threads: 1, onBadRow: 'skip', onWarning: () => undefined } as const;
  await predict({ ...options, ...others, path: run, signal: new AbortController().signal });
}

/** Returns the lines of a CSV with the predictions of a run. */
async function pastePredictions(run: string, lines: readonly string[]): Promise<readonly string[]> {
  writeFileSync(at('unscored.csv'), csv(lines));
  await predictFile(run, { data: at('unscored.csv'), out: at('scored.csv'), keep: [], prefix: '' });
  const [header, ...scores] = readFileSync(at('scored.csv'), 'utf8').trimEnd().split('\n');
  expect(header).toBe('ctr,cvr,ctcvr');
  return scores.map((score, i) => `${lines[i]!},${score.split(',').slice(0, 2).join(',')}`);
}

const weightsOf = (run: string): string => readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1');

/** Converts lines of a CSV to JSON Lines. */
function toJson(lines: readonly string[], header: string): string {
  const names = header.split(',');
  return lines
    .map((line) => {
      const cells = line
        .split(',')
        .map((cell, i): [string, unknown] => [
          names[i]!,
          cell === '' ? null : names[i] === 'item' ? cell : Number(cell),
        ]);
      return `${JSON.stringify(Object.fromEntries(cells))}\n`;
    })
    .join('');
}

/** How the lines of a student's log are written to files, as the value of `data.train`. */
const WRITERS: Record<string, (lines: readonly string[], header: string) => string> = {
  csv(lines, header) {
    writeFileSync(at('log.csv'), csv(lines, header));
    return 'train: log.csv';
  },
  'JSON Lines in gzip': (lines, header) => {
    writeFileSync(at('log.jsonl.gz'), gzipSync(toJson(lines, header)));
    return 'train: log.jsonl.gz';
  },
  'several files of a glob': (lines, header) => {
    mkdirSync(at('days'), { recursive: true });
    const parts = [lines.slice(0, 100), lines.slice(100, 101), lines.slice(101)];
    for (const [i, part] of parts.entries()) writeFileSync(at(`days/${i}.csv`), csv(part, header));
    return "train: 'days/*.csv'";
  },
  'splits of one source': (lines, header) => {
    writeFileSync(at('log.csv'), csv(lines, header));
    return 'source: log.csv, split: { by: random, shares: { train: 0.7, valid: 0.3 } }';
  },
};

/** Writes a log as CSV; returns the section `data`. */
const csvLog = (lines: readonly string[], more = ''): string =>
  `{ ${WRITERS['csv']!(lines, HEADER)}, valid: valid.csv${more} }`;

/** Trains on the run and on the pasted columns; returns the directories of both students. */
async function trainBoth(
  teacher: string,
  lines: readonly string[],
  write: (lines: readonly string[], header: string) => string,
  more = '',
): Promise<[string, string]> {
  const valid = write === WRITERS['splits of one source'] ? '' : ', valid: valid.csv';
  const fromRun = writeStudent(`{ ${write(lines, HEADER)}${valid}${more} }`, () => 'from: teacher');
  const taught = await trainSmall(fromRun, {});
  const header = `${HEADER},t_ctr,t_cvr`;
  const data = write(await pastePredictions(teacher, lines), header);
  writeFileSync(
    at('blank.csv'),
    csv(
      logLines(200, 2).map((line) => `${line},,`),
      header,
    ),
  );
  const fromColumn = writeStudent(
    `{ ${data}${valid.replace('valid.csv', 'blank.csv')}${more} }`,
    (task) => `column: t_${task}`,
  );
  const pasted = await trainSmall(fromColumn, {});
  return [taught.run, pasted.run];
}

describe('distillation from a run', () => {
  for (const [name, write] of Object.entries(WRITERS))
    it(`trains the weights of the predicted columns, bit by bit: ${name}`, async () => {
      const teacher = await trainTeacher();
      const [taught, pasted] = await trainBoth(teacher, logLines(400, 3), write);
      expect(weightsOf(taught)).toBe(weightsOf(pasted));
    });

  it('keeps rows aligned with where, skipped invalid rows, sampling and a sampled teacher', async () => {
    const teacher = await trainTeacher({}, ', negativeSampling: { rate: 0.5 }');
    const lines = logLines(400, 4);
    // A row that is no row, one that is invalid for both, and one that where excludes and no teacher can score.
    lines[7] = '1,0,3';
    lines[50] = lines[50]!.replace(/^./, '5');
    lines[90] = '0,0,3,i4,old,3';
    const more = ', onBadRow: skip, where: { column: day, below: 3 }, negativeSampling: { rate: 0.6 }';
    // A teacher refuses the class of row 50 only as a label, which it does not read.
    const [taught, pasted] = await trainBoth(teacher, lines, WRITERS['csv']!, more);
    expect(weightsOf(taught)).toBe(weightsOf(pasted));
  });

  it('reports the place of a row that the student reads and the teacher cannot score', async () => {
    await trainTeacher();
    const lines = logLines(100, 5);
    lines[41] = '0,0,3,i4,old,1';
    const config = writeStudent(csvLog(lines, ', onBadRow: skip'), () => 'from: teacher');
    await expect(trainSmall(config, {})).rejects.toThrow(
      /log\.csv:43: column "age": the teacher .*step-\d+ cannot score the row: expected a decimal number, found "old"/,
    );
    // From the cache too.
    await expect(trainSmall(config, {})).rejects.toThrow(/log\.csv:43: column "age"/);
  });

  it('scores a file once, and does not depend on the number of threads', async () => {
    await trainTeacher();
    const config = writeStudent(csvLog(logLines(300, 6)), () => 'from: teacher');
    const runs: string[] = [];
    const scored: number[] = [];
    const trainOnce = async (threads: number): Promise<void> => {
      let count = 0;
      const on = { onRead: ({ what }: { what: string }) => void (count += Number(what.startsWith('scoring'))) };
      runs.push((await trainSmall(config, { threads, on })).run);
      scored.push(Math.min(1, count));
    };
    await trainOnce(1);
    await trainOnce(1);
    rmSync(at('.mtl'), { recursive: true });
    await trainOnce(3);
    expect(scored).toEqual([1, 0, 1]);
    expect(new Set(runs.map(weightsOf)).size).toBe(1);
  });

  it('resumes with the teacher that it started with, although latest is another run', async () => {
    await trainTeacher();
    const config = writeStudent(csvLog(logLines(300, 7)), () => 'from: latest');
    const whole = await trainSmall(config, { runDir: at('whole') });
    const records = JSON.parse(readFileSync(join(whole.run, 'teachers.json'), 'utf8')) as { checkpoint: string }[];
    expect(records.map(({ checkpoint }) => checkpoint.startsWith(join(folder, 'runs')))).toEqual([true, true]);
    expect(records[0]!.checkpoint).toContain('teacher');

    await trainSmall(config, { name: 'parts', ...abortAtStep(5) });
    const cut = at('runs/student/parts');
    expect(existsSync(join(cut, 'results.csv'))).toBe(false);
    await trainSmall(config, { name: 'parts', resume: cut });
    expect(weightsOf(cut)).toBe(weightsOf(whole.run));

    // A run without a checkpoint starts again, when latest is the run itself.
    await trainSmall(config, { name: 'early', ...abortAtStep(5) });
    const early = at('runs/student/early');
    const teachers = readFileSync(join(early, 'teachers.json'), 'utf8');
    expect(teachers).toContain('student/parts');
    rmSync(join(early, 'checkpoints'), { recursive: true });
    await trainSmall(config, { name: 'early', resume: 'auto' });
    expect(readFileSync(join(early, 'teachers.json'), 'utf8')).toBe(teachers);
  });

  it('trains the weights of the predicted columns of a Parquet file, bit by bit', async () => {
    const teacher = await trainTeacher();
    writeFileSync(at('plain.csv'), csv(logLines(300, 10)));
    const columns = { keep: ['all'], prefix: 't_', data: at('plain.csv'), out: at('log.parquet') };
    await predictFile(teacher, columns);
    await predictFile(teacher, { ...columns, data: at('valid.csv'), out: at('valid.parquet') });
    const train = async (distill: (task: string) => string, valid: string): Promise<string> =>
      weightsOf((await trainSmall(writeStudent(`{ train: log.parquet, valid: ${valid} }`, distill), {})).run);
    const taught = await train(() => 'from: teacher', 'valid.csv');
    expect(taught).toBe(await train((task) => `column: t_${task}`, 'valid.parquet'));
  });

  it('refuses shards', async () => {
    await trainTeacher();
    const rows = readdirSync(at('.mtl')).find((name) => name.startsWith('train.csv.rows-'))!;
    const config = writeStudent(`{ train: .mtl/${rows}, valid: valid.csv }`, () => 'from: teacher');
    await expect(trainSmall(config, {})).rejects.toThrow(
      /tasks\.ctr\.distill\.from: does not apply to a directory of shards.*; use the files that the shards were made from/,
    );
  });

  it('computes the counters of a teacher, from the first row on or after those that it was trained on', async () => {
    const timed = (lines: readonly string[], begin: number): string[] =>
      lines.map((line, i) => `${line},${1e9 + begin + i}`);
    const header = `${HEADER},second`;
    const [early, late] = [timed(logLines(300, 11), 0), timed(logLines(200, 12), 300)];
    writeFileSync(at('train.csv'), csv(early, header));
    writeFileSync(
      at('counting.yaml'),
      `data:
  train: train.csv
  counters: { time: second, format: seconds, count: { views: { by: item, within: 1h } } }
features: { views: { type: numeric, fields: [views], scaling: standard } }
tasks: { ctr: { label: click }, cvr: { label: buy, given: click } }
model: { name: shared-bottom, hidden: [4], tower: { hidden: [] } }
`,
    );
    const { run } = await trainSmall(at('counting.yaml'), {});
    writeFileSync(at('valid.csv'), csv(logLines(100, 13)));
    writeFileSync(
      at('blank.csv'),
      csv(
        logLines(100, 13).map((line) => `${line},,`),
        `${HEADER},t_ctr,t_cvr`,
      ),
    );
    for (const [name, lines] of Object.entries({ early, late })) {
      const file = at(`${name}.csv`);
      writeFileSync(file, csv(lines, header));
      await predictFile(run, { data: file, out: at(`${name}-scored.csv`), keep: ['all'], prefix: 't_' });
      const train = async (data: string, distill: (task: string) => string): Promise<string> =>
        weightsOf((await trainSmall(writeStudent(`{ ${data} }`, distill), {})).run);
      const taught = await train(`train: ${name}.csv, valid: valid.csv`, () => 'from: counting');
      expect(taught).toBe(await train(`train: ${name}-scored.csv, valid: blank.csv`, (task) => `column: t_${task}`));
    }
  });

  it('accepts another output of a run by its name', async () => {
    const teacher = await trainTeacher();
    const data = csvLog(logLines(200, 8));
    const config = writeStudent(data, (task) => `from: teacher/001, task: ${task === 'ctr' ? 'ctcvr' : 'ctr'}`);
    const { run } = await trainSmall(config, {});
    const records = JSON.parse(readFileSync(join(run, 'teachers.json'), 'utf8')) as { output: string; step: number }[];
    expect(records.map(({ output }) => output)).toEqual(['ctcvr', 'ctr']);
    const [out, name] = [at('report.html'), `step-${String(records[0]!.step).padStart(8, '0')}`];
    await report({ runs: [run], out });
    expect(readFileSync(out, 'utf8')).toMatch(new RegExp(`<h2>Teachers.*teacher/001/checkpoints/${name}`, 's'));
    const steps = readdirSync(join(teacher, 'checkpoints'));
    expect(steps).toContain(name);
  });

  it('reports a run that is not there, an output that it lacks, and a column that it reads', async () => {
    await trainTeacher();
    const data = csvLog(logLines(200, 9));
    const train = (distill: string): Promise<unknown> =>
      trainSmall(
        writeStudent(data, () => distill),
        {},
      );
    await expect(train('from: teecher')).rejects.toThrow(
      "teecher: tasks.ctr.distill.from: no such run or checkpoint; did you mean 'teacher'?",
    );
    await expect(train('from: teacher, task: ctrr')).rejects.toThrow(
      `does not predict "ctrr", but ctr, cvr, ctcvr; did you mean 'ctr'?`,
    );
    expect(existsSync(at('runs/student'))).toBe(false);

    mkdirSync(at('runs/trees/001/trees'), { recursive: true });
    writeFileSync(at('runs/trees/001/config.source.yaml'), '');
    await expect(train('from: trees')).rejects.toThrow(
      'trees: tasks.ctr.distill.from: is a run of mtl baseline without the encoding of its features',
    );

    writeFileSync(at('log.csv'), readFileSync(at('log.csv'), 'utf8').replace('age', 'years'));
    await expect(train('from: teacher')).rejects.toThrow(/column "age": .*\(read for the teacher .*teacher\/001/);
  });

  it('reports a config with both forms or none at its place', async () => {
    const train = (distill: string): Promise<unknown> =>
      trainSmall(
        writeStudent('{ train: log.csv }', () => distill),
        {},
      );
    await expect(train('column: t, from: teacher')).rejects.toThrow(
      /student\.yaml:4:\d+: tasks\.ctr\.distill\.from: cannot be combined with column; remove one of them/,
    );
    await expect(train('temperature: 2')).rejects.toThrow(
      /student\.yaml:4:\d+: tasks\.ctr\.distill: expected a teacher; set column to its probabilities/,
    );
    await expect(train('column: t, task: ctr')).rejects.toThrow(
      /student\.yaml:4:\d+: tasks\.ctr\.distill\.task: is an output of a run/,
    );
  });

  it('is checked without scoring', async () => {
    await trainTeacher();
    const checkStudent = (from: string): Promise<unknown> =>
      check({
        path: writeStudent(csvLog(logLines(200, 9)), () => `from: ${from}`),
        set: [],
        sampleRows: 50,
        device: 'cpu',
        threads: 1,
        onWarning: () => undefined,
      });
    await checkStudent('teacher');
    await expect(checkStudent('nobody')).rejects.toThrow('nobody: tasks.ctr.distill.from: no such run or checkpoint');
  });
});
