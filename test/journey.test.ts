/** @module-tag long */
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from './support/code-blocks.js';
import {
  cloneInto,
  commandsIn,
  missingLine,
  noted,
  pagesInOrder,
  shapeOf,
  stepsOf,
  type Clone,
  type Step,
} from './support/journey.js';
import { writeDays } from './support/drifting-days.js';
import { writeShopLog } from './support/shop-log.js';

const root = join(import.meta.dirname, '..');
const journeys = pagesInOrder().map((page) => ({ page, steps: stepsOf(page, readFileSync(join(root, page), 'utf8')) }));
const isRun = (step: Step): boolean => noted(step, 'needs').length === 0;

/** Splits the test set of the sample into partitions by day. */
function writePartitions(folder: string): void {
  const [header, ...lines] = readFileSync(join(folder, 'data/sample/test.csv'), 'utf8').trim().split('\n');
  for (const [i, day] of ['2026-11-02', '2026-11-03'].entries()) {
    mkdirSync(join(folder, 'days', `ds=${day}`), { recursive: true });
    writeFileSync(
      join(folder, 'days', `ds=${day}`, 'part-0.csv'),
      `${[header, ...lines.slice(100 * i, 100 * (i + 1))].join('\n')}\n`,
    );
  }
}

/** Writes the logs of two days, in place of other logs; no channel points to a run of other data. */
function writeTwoDays({ folder }: Clone): void {
  rmSync(join(folder, 'runs/channels'), { recursive: true, force: true });
  rmSync(join(folder, 'logs'), { recursive: true, force: true });
  mkdirSync(join(folder, 'logs'));
  writeDays(folder, 2, 4, 400);
  for (const day of [0, 1])
    copyFileSync(join(folder, `day-${day}.csv`), join(folder, 'logs', `2026-11-0${day + 1}.csv`));
}

/** Writes the logs of two days and a config for them, and trains on the first. */
async function trainYesterday(clone: Clone): Promise<void> {
  const { folder, run: shell } = clone;
  writeTwoDays(clone);
  const config = codeBlocks(readFileSync(join(folder, 'docs/how-to/train-daily.md'), 'utf8')).find(
    ({ language }) => language === 'yaml',
  )!;
  for (const name of ['config', 'daily']) writeFileSync(join(folder, `${name}.yaml`), config.text);
  expect((await shell('npx mtl train config.yaml')).code).toBe(0);
}

const copyOf =
  (from: string, to: string) =>
  ({ folder }: Clone): void =>
    copyFileSync(join(folder, from), join(folder, to));
const ownConfig =
  (name: string) =>
  ({ folder }: Clone): void =>
    writeFileSync(
      join(folder, name),
      readFileSync(join(folder, 'configs/esmm.yaml'), 'utf8').replaceAll('../data/', 'data/'),
    );

/** What a reader has before a command, by the name that a page's note gives it. */
const GIVEN: Readonly<Record<string, (clone: Clone) => void | Promise<void>>> = {
  logs({ folder }) {
    rmSync(join(folder, 'logs'), { recursive: true, force: true });
    writeShopLog(folder);
  },
  'the logs of two days': writeTwoDays,
  days: ({ folder }) => writePartitions(folder),
  'today.csv': copyOf('data/sample/test.csv', 'today.csv'),
  'test.csv': copyOf('data/sample/test.csv', 'test.csv'),
  'config.yaml': ownConfig('config.yaml'),
  'my.yaml': ownConfig('my.yaml'),
  'the log of a day, and a run of the day before': trainYesterday,
  async downloads({ run: shell }) {
    expect((await shell('npx mtl synth downloads --preset ali-ccp --format raw --train 2000 --test 500')).code).toBe(0);
  },
};

let clone: Clone;
beforeAll(() => {
  clone = cloneInto(mkdtempSync(join(tmpdir(), 'mtl-journey-')));
}, 120_000);
afterAll(() => rmSync(clone.folder, { recursive: true, force: true }));

/** What the last commands printed. */
let printed = '';

async function run(commands: string, code: number): Promise<void> {
  const done = await clone.run(commands);
  printed = done.printed;
  expect(done.code, `${commands}\n${done.printed}`).toBe(code);
}

/** Replaces all runs by one of MMOE and a newer one of ESMM, as README leaves them: a page depends on no other. */
async function startPage(): Promise<void> {
  const [runs, copy] = [join(clone.folder, 'runs'), join(clone.folder, '.journey', 'runs')];
  rmSync(runs, { recursive: true, force: true });
  if (!existsSync(copy)) {
    await run('npx mtl train configs/mmoe.yaml --quiet && npx mtl train configs/esmm.yaml --quiet', 0);
    cpSync(runs, copy, { recursive: true, verbatimSymlinks: true });
  } else cpSync(copy, runs, { recursive: true, verbatimSymlinks: true });
}

async function take(step: Step): Promise<void> {
  for (const name of noted(step, 'given')) {
    expect(GIVEN, name).toHaveProperty([name]);
    await GIVEN[name]!(clone);
  }
  const code = Number(noted(step, 'exit')[0] ?? 0);
  for (const path of noted(step, 'write')) {
    mkdirSync(dirname(join(clone.folder, path)), { recursive: true });
    writeFileSync(join(clone.folder, path), commandsIn(step));
  }
  if (step.isCommand) await run(commandsIn(step), code);
  for (const command of noted(step, 'run')) await run(command, code);
  for (const command of noted(step, 'printed')) {
    if (command !== '') await run(command.replace(/^by /, ''), code);
    expect(missingLine(step.text, printed), `not printed:\n${printed}`).toBeUndefined();
  }
}

describe('a reader who types every command in one directory', () => {
  it('finds commands on the pages', () => {
    const commands = journeys.flatMap(({ steps }) => steps.filter(({ isCommand }) => isCommand));
    expect(commands.length).toBeGreaterThan(40);
  });

  for (const { page, steps } of journeys) {
    const options = { timeout: 400_000, tags: page === 'README.md' ? [] : ['nightly'] };
    if (page !== 'README.md' && steps.some(isRun))
      it(`${page}: starts with a run of MMOE and one of ESMM`, options, startPage);
    for (const step of steps) {
      const [need] = noted(step, 'needs');
      const title = `${step.page}:${step.line}: ${step.text.split('\n')[0]!}`;
      it(need === undefined ? title : `${title} (needs ${need})`, options, async (context) => {
        if (need !== undefined) context.skip(`needs ${need}`);
        await take(step);
      });
    }
  }
});

describe('what a page shows', () => {
  it('is found by its words, whatever the numbers, times and widths', () => {
    expect(
      missingLine('ctr.auc   0.7538  +0.0015\n…\nin 12 ms', 'epoch 1\nctr.auc 0.75 −0.1\nctr.logLoss\nin 1.2 s\n'),
    ).toBeUndefined();
    expect(missingLine('ctr.auc  0.75', 'cvr.auc  0.75')).toBe('ctr.auc  0.75');
    expect(missingLine('b\na', 'a\nb')).toBe('a');
    expect(shapeOf('removed 3, 1.5 MB')).not.toBe(shapeOf('kept 3, 1.5 MB'));
  });

  it('has notes for the block behind them alone', () => {
    const page =
      '<!-- journey: needs MPI -->\n\n```sh\nmpirun\n```\n\n    npx mtl runs\n    npx mtl doctor   # all\n\n' +
      'Text.\n\n<!-- journey: printed -->\n\n    ctr.auc 0.5\n\n- a list\n\n      npx mtl eval\n';
    expect(stepsOf('p', page).map(({ text, isCommand, notes }) => [text, isCommand, notes])).toEqual([
      ['mpirun\n', true, ['needs MPI']],
      ['npx mtl runs\nnpx mtl doctor   # all\n', true, []],
      ['ctr.auc 0.5\n', false, ['printed']],
      ['npx mtl eval\n', true, []],
    ]);
  });
});
