/** @module-tag long */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { trainTrees } from '../../src/baseline.js';
import { loadConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { randomStream } from '../../src/core/random.js';
import { needsPython, python, PYTHON } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

// The independent route: Python scores the rows with the stored models, and the scores are pasted to a file as columns.

const HEADER = 'click,buy,user,color,size';
const ROWS = 600;
const BASELINE = `
data: { train: train.csv }
features:
  ids: { type: categorical, fields: [user, color], width: 4 }
  crosses: { type: cross, fields: [[user, color]], encoding: tokens, width: 4 }
  numbers: { type: numeric, fields: [size] }
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: click }
model: { name: shared-bottom }
`;

/** Scores the rows of a file with LightGBM alone; folds are computed by another implementation of MurmurHash3. */
const SCORE = `
import json, sys, lightgbm as lgb, numpy as np

trees, path, folds, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
header, *rows = [line.strip().split(',') for line in open(path)]
features = np.array([[float(row[2]), float(row[3]), float(row[4])] for row in rows]).astype('<f4')

def murmur3(data):
    mask, h = 0xFFFFFFFF, 0
    rotate = lambda value, by: ((value << by) | (value >> (32 - by))) & mask
    for word in np.frombuffer(data, '<u4').tolist():
        h ^= rotate(word * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask
        h = (rotate(h, 13) * 5 + 0xE6546B64) & mask
    h ^= len(data)
    h = (h ^ (h >> 16)) * 0x85EBCA6B & mask
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & mask
    return h ^ (h >> 16)

def score(task):
    if folds == 0:
        return lgb.Booster(model_file=f'{trees}/{task}.txt').predict(features)
    models = [lgb.Booster(model_file=f'{trees}/{task}.fold-{fold}.txt') for fold in range(folds)]
    return np.array([models[murmur3(row.tobytes()) % folds].predict(row[None])[0] for row in features])

ctr, cvr = [score(task).astype('f4').astype('f8') for task in ['ctr', 'cvr']]
ctr = (ctr / (ctr + (1 - ctr) / rate)).astype('f4')
cvr = cvr.astype('f4')
with open('scored.csv', 'w') as file:
    print(','.join(header + ['t_ctr', 't_cvr']), file=file)
    for row, a, b in zip(rows, ctr, cvr):
        print(','.join(row + [str(a), str(b)]), file=file)
print(json.dumps([murmur3(row.tobytes()) % folds if folds else 0 for row in features]))
`;

let folder: string;
const at = (name: string): string => join(folder, name);
const weightsOf = (run: string): string => readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1');

beforeEach(() => {
  folder = scratchFolder();
  vi.stubEnv('MTL_RUNS', at('runs'));
  vi.stubEnv('MTL_PYTHON', PYTHON);
  writeFileSync(at('trees.yaml'), BASELINE);
  writeFileSync(at('train.csv'), csv(1));
  writeFileSync(at('log.csv'), csv(2));
  return () => vi.unstubAllEnvs();
});

/** Writes rows whose labels depend on all features, or on none. */
function csv(seed: number, isNoise = false): string {
  const random = randomStream(seed, 'log');
  const lines = Array.from({ length: ROWS }, () => {
    const [user, color, size] = [1 + random.below(7), 1 + random.below(5), random.normal()];
    const chance = isNoise ? 0.5 : 1 / (1 + Math.exp(-(size * (color - 2) + 0.3 * user - 1)));
    const click = Number(random.uniform() < chance);
    const buy = click * Number(random.uniform() < (isNoise ? 0.5 : 0.2 + 0.1 * color));
    return [click, buy, user, color, size.toFixed(3)].join(',');
  });
  return [HEADER, ...lines, ''].join('\n');
}

/** Trains trees; returns the directory of their run. */
async function trainTeacher(folds?: number, set: readonly string[] = []): Promise<string> {
  const { run } = await trainTrees(await loadConfig(at('trees.yaml'), set.map(parseOverride)), {
    overrides: set,
    rounds: 20,
    patience: 5,
    folds,
    params: { num_leaves: '7', min_data_in_leaf: '5' },
    threads: 1,
    onProgress: () => undefined,
    onWarning: () => undefined,
    signal: new AbortController().signal,
  });
  return run;
}

/** Trains a student, which reads fewer columns than its teacher. */
async function trainStudent(train: string, distill: (task: string) => string): Promise<string> {
  const task = (name: string, rest: string): string =>
    `${name}: { ${rest}, distill: { ${distill(name)}, weight: 0.7 } }`;
  writeFileSync(
    at('student.yaml'),
    `data: { train: ${train} }
features: { ids: { type: categorical, fields: [user, color], width: 2 } }
tasks:
  ${task('ctr', 'label: click')}
  ${task('cvr', 'label: buy, given: click')}
model: { name: shared-bottom, hidden: [4], tower: { hidden: [] } }
training: { epochs: 2, batchSize: 32 }
`,
  );
  return (await trainSmall(at('student.yaml'), {})).run;
}

const fromTrees = (): string => 'from: trees-lightgbm';

/** Scores a file to scored.csv; returns the folds of its rows. */
function score(run: string, file: string, folds: number, rate: number): readonly number[] {
  return JSON.parse(python(folder, SCORE, [join(run, 'trees'), file, String(folds), String(rate)])) as number[];
}

// Python takes long to import LightGBM on a loaded machine.
describe('distillation from trees', { timeout: 300_000 }, () => {
  it('trains the weights of the scores that LightGBM computes in Python, bit by bit', async (test) => {
    needsPython(test, 'lightgbm');
    const run = await trainTeacher();
    score(run, 'log.csv', 0, 1);
    const [taught, pasted] = [
      await trainStudent('log.csv', fromTrees),
      await trainStudent('scored.csv', (task) => `column: t_${task}`),
    ];
    expect(weightsOf(taught)).toBe(weightsOf(pasted));
    expect(weightsOf(taught)).not.toBe(weightsOf(await trainStudent('log.csv', () => `${fromTrees()}, task: ctcvr`)));
    expect(JSON.parse(readFileSync(join(taught, 'teachers.json'), 'utf8'))).toMatchObject([
      { task: 'ctr', output: 'ctr', checkpoint: join(run, 'trees'), step: 40, hasCounters: false },
      { task: 'cvr', output: 'cvr', checkpoint: join(run, 'trees'), step: 40, hasCounters: false },
    ]);
  });

  it('scores each row with the trees of its fold, and corrects for sampling', async (test) => {
    needsPython(test, 'lightgbm');
    const run = await trainTeacher(3, ['data.negativeSampling.rate=0.5']);
    // Both rows of training and others.
    writeFileSync(at('both.csv'), csv(1) + csv(2).slice(HEADER.length + 1));
    const folds = score(run, 'both.csv', 3, 0.5);
    for (let fold = 0; fold < 3; fold++)
      expect(folds.filter((each) => each === fold).length).toBeGreaterThan((2 * ROWS) / 4);
    const [taught, pasted] = [
      await trainStudent('both.csv', fromTrees),
      await trainStudent('scored.csv', (task) => `column: t_${task}`),
    ];
    expect(weightsOf(taught)).toBe(weightsOf(pasted));
  });

  it('has not seen the labels of the rows that it scores', async (test) => {
    needsPython(test, 'lightgbm');
    writeFileSync(at('train.csv'), csv(3, true));
    /** Returns how well predictions agree with coin flips that they do not know, in standard deviations. */
    const agreement = (run: string, folds: number): number => {
      score(run, 'train.csv', folds, 1);
      const rows = readFileSync(at('scored.csv'), 'utf8').trim().split('\n').slice(1);
      let [sum, squares] = [0, 0];
      for (const row of rows) {
        const [click, , , , , chance] = row.split(',').map(Number);
        sum += (chance! - 0.5) * (click === 1 ? 1 : -1);
        squares += (chance! - 0.5) ** 2;
      }
      return sum / Math.sqrt(squares);
    };
    const run = await trainTeacher(4);
    expect(agreement(run, 0)).toBeGreaterThan(8);
    expect(Math.abs(agreement(run, 4))).toBeLessThan(4);
  });

  it('reports a missing Python, a missing or changed model and missing columns, before a run', async (test) => {
    needsPython(test, 'lightgbm');
    const run = await trainTeacher(2);
    const train = (): Promise<string> => trainStudent('log.csv', fromTrees);
    vi.stubEnv('MTL_PYTHON', at('none'));
    await expect(train()).rejects.toThrow(/^MTL_PYTHON: cannot run .*none .*set MTL_PYTHON to the path of one/);
    vi.stubEnv('MTL_PYTHON', PYTHON);
    const model = join(run, 'trees/cvr.fold-1.txt');
    const text = readFileSync(model, 'utf8');
    rmSync(model);
    await expect(train()).rejects.toThrow(/cvr\.fold-1\.txt: cannot read the file \(ENOENT\)/);
    writeFileSync(model, text.replace(/[1-9]\n/, '0\n'));
    await expect(train()).rejects.toThrow(/cvr\.fold-1\.txt: the SHA-256 differs from the manifest/);
    expect(existsSync(at('runs/student'))).toBe(false);
    writeFileSync(model, text);
    writeFileSync(at('log.csv'), readFileSync(at('log.csv'), 'utf8').replace('size', 'length'));
    await expect(train()).rejects.toThrow(
      /column "size": .*\(read for the teacher .*trees-lightgbm\/001\/trees\); add the columns that .* was trained on/,
    );
  });
});
