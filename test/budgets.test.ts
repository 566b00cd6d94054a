import { describe, expect, it } from 'vitest';
import { countCodeLines, countRooms, measureTree, renewMeasures } from '../bin/measure.js';

/** Maximum code lines of each directory of src, and of the files at its top. A commit gives the reason for growth. */
const MAX_CODE_LINES: Readonly<Record<string, number>> = {
  '*.ts': 2810,
  baseline: 710,
  board: 410,
  bottoms: 1060,
  charts: 770,
  check: 310,
  chunks: 780,
  cli: 4640,
  cluster: 720,
  config: 1590,
  core: 1840,
  crosses: 370,
  data: 19_080,
  delay: 500,
  diff: 420,
  doctor: 200,
  engines: 15_540,
  evaluation: 2090,
  explain: 150,
  export: 3260,
  features: 8460,
  graph: 1330,
  importance: 500,
  init: 1320,
  inputs: 120,
  io: 1270,
  kernels: 4540,
  live: 70,
  losses: 410,
  models: 1590,
  optimizers: 310,
  predict: 840,
  prepare: 1680,
  pretrained: 320,
  promote: 70,
  report: 1490,
  runs: 3700,
  schedules: 340,
  sequences: 530,
  serve: 4140,
  study: 2570,
  synth: 1420,
  system: 680,
  tables: 410,
  teachers: 270,
  text: 220,
  track: 800,
  train: 750,
  'trained-model': 800,
  training: 1660,
  'warm-start': 680,
  weightings: 990,
};

/** Maximum values of other measures. */
const MAX_MEASURES: Readonly<Record<string, number>> = {
  'import floors of `src`': 17,
  'entries at the top of `src`': 72,
  'test files that import from 3 or more directories of `src`': 190,
  'words of README and docs, without generated pages': 59_800,
};

/** Lines by which a limit may exceed the count, so that a directory that shrinks stays small. */
const MAX_SLACK_LINES = 100;

describe('the budgets of the tree', () => {
  const rooms = countRooms();

  it('limit the code lines of each directory', () => {
    const over = Object.entries(rooms).flatMap(([room, lines]) => {
      const limit = MAX_CODE_LINES[room] ?? 0;
      return lines > limit ? [`src/${room} has ${lines} code lines; its limit is ${limit}`] : [];
    });
    expect(over).toEqual([]);
  });

  it('are lowered as directories shrink', () => {
    const loose = Object.entries(MAX_CODE_LINES).flatMap(([room, limit]) => {
      const lines = rooms[room] ?? 0;
      return limit - lines > MAX_SLACK_LINES
        ? [`src/${room} has ${lines} code lines; lower its limit from ${limit} to ${10 * Math.ceil(lines / 10)}`]
        : [];
    });
    expect(loose).toEqual([]);
  });

  it('limit the other measures', () => {
    const measures = measureTree();
    const over = Object.entries(MAX_MEASURES).filter(([name, limit]) => !(measures[name]! <= limit));
    expect(over.map(([name, limit]) => `${name}: ${measures[name]}; the limit is ${limit}`)).toEqual([]);
  });
});

describe('bin/measure.js', () => {
  it('counts neither comments nor blank lines', () => {
    const text = '/**\n * A.\n */\nexport const a = 1; // one\n\n  // two\n/* three */\nconst b = [\n  a,\n];\n';
    expect(countCodeLines(text)).toBe(4);
  });

  it('replaces the tables of a page', () => {
    const page = 'a\n<!-- measures -->\nold\n<!-- /measures -->\nb\n';
    expect(renewMeasures(page, 'new\n')).toBe('a\n<!-- measures -->\nnew\n<!-- /measures -->\nb\n');
    expect(() => renewMeasures('a\n', 'new\n')).toThrow('expected <!-- measures --> before <!-- /measures -->');
  });
});
