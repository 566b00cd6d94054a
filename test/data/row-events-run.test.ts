/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { evaluate, loadModel, predict } from '../../src/index.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { drawShown, followClicks, withClicks, writeClickedStream, type Shown } from '../support/clicked-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const ROWS = drawShown(1300);
const OPTIONS = { device: 'cpu', threads: 1 } as const;

/** Reads the last checkpoint of a run, with all numbers of its tensors. */
async function readTrained(run: string) {
  const { fitted, program } = await readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
  const tensors = [...program.weights, ...program.optimizer];
  return { fitted, program: tensors.map(([name, { data }]) => [name, [...data]]) };
}

const writeRows = (path: string, rows: readonly Shown[]): void =>
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

describe('a config with events among the rows', () => {
  // Hundreds of rows have one time, as with dates, so that most users have more events at it than a row sees.
  it.each([1, 3000])(
    'gives the weights of a training on the stream with ordered times in units of %i',
    async (unit) => {
      const folder = scratchFolder();
      const rows = ROWS.map((row) => ({ ...row, at: unit * Math.floor(row.at / unit) }));
      // All rows are in whole batches, which a stream requires.
      const config = writeClickedStream(folder, rows.slice(0, 1280));
      await followClicks(config, join(folder, 'stream'));
      await trainSmall(config, { runDir: join(folder, 'file') });
      const [stream, file] = [await readTrained(join(folder, 'stream')), await readTrained(join(folder, 'file'))];
      expect(file.fitted).toEqual(stream.fitted);
      expect(file.program).toEqual(stream.program);
    },
    120_000,
  );

  it('evaluates and predicts rows with the events of the files of all sets', async () => {
    const folder = scratchFolder();
    const config = writeClickedStream(folder, ROWS.slice(0, 900));
    writeRows(join(folder, 'valid.jsonl'), ROWS.slice(900));
    const run = join(folder, 'run');
    const { metrics } = await trainSmall(config, { runDir: run, set: ['data.valid=valid.jsonl'] });
    const evaluated = await evaluate(run, OPTIONS);
    expect(evaluated.metrics['valid']).toEqual(metrics['valid']);
    const later = ROWS.slice(1250).map((row) => ({ ...row, at: row.at + 30_000 }));
    writeRows(join(folder, 'later.jsonl'), later);
    const out = join(folder, 'out.csv');
    await predict(run, { ...OPTIONS, data: join(folder, 'later.jsonl'), out });
    const predicted = readFileSync(out, 'utf8').trimEnd().split('\n').slice(1);
    const found = predicted.map((value) => Math.fround(Number(value)));
    const model = await loadModel(run);
    onTestFinished(() => model.dispose());
    // Events of the predicted rows are not among those of the run.
    expect(found).toEqual([...model.predict(later.map((row) => withClicks(ROWS, row)))['ctr']!]);
    expect(found).not.toEqual([...model.predict(later.map((row) => withClicks([], row)))['ctr']!]);

    // The library and mtl serve load the events of files on request, of the config or of another file.
    const requests = later.map(({ user, item, at }) => ({ user, item, at }));
    expect(() => model.predict(requests)).toThrow(/"clicks\.item".*are missing/);
    const logged = await loadModel(run, { histories: true });
    onTestFinished(() => logged.dispose());
    expect([...logged.predict(requests)['ctr']!]).toEqual(found);
    const other = join(folder, 'other');
    mkdirSync(other);
    writeRows(join(other, 'rows.jsonl'), ROWS.slice(300, 500));
    const ofOther = await loadModel(run, { histories: other });
    onTestFinished(() => ofOther.dispose());
    const lists = later.map((row) => withClicks(ROWS.slice(300, 500), row));
    expect(ofOther.predict(requests)).toEqual(model.predict(lists));
  }, 120_000);
});
