import type { Batch } from '../../core/batch.js';
import type { View } from '../compile/buffers.js';
import type { TermLoss } from '../engine.js';
import { copyColumn } from '../state/results.js';
import { countedRows, meanLosses, splitRows } from '../step-rows.js';
import type { Session } from './session.js';
import type { Range } from './transfers.js';

/** Loads the passes of a batch one by one, until a step is refused. */
export async function forEachPass(
  { compiled: { passRows }, executor, host }: Session,
  batch: Batch,
  trains: boolean,
  visit: (rows: number, pass: number) => Promise<void>,
): Promise<void> {
  await host.settle();
  executor.clearRefused();
  for (const [pass, { begin, rows }] of splitRows(batch.rows, passRows).entries()) {
    if (executor.isRefused) return;
    load(executor, batch, begin, rows, trains);
    await visit(rows, pass);
  }
}

/** Copies rows of a batch to the words that are uploaded. */
export function load(
  { loader }: Session['executor'],
  batch: Batch,
  begin: number,
  rows: number,
  trains: boolean,
): void {
  loader.begin(batch, begin, rows, trains);
  loader.finish();
}

/** Returns the rows that each term's loss is divided by, if a batch has several passes. */
export function countedIn({ compiled: { graph, passRows } }: Session, batch: Batch): readonly number[] | undefined {
  return batch.rows > passRows ? countedRows(graph, batch) : undefined;
}

/** Runs a list over the passes of a step; returns the loss of each term. */
export async function runPasses(
  session: Session,
  batch: Batch,
  list: 'pass' | 'losses',
  weights: readonly number[],
): Promise<Map<string, TermLoss>> {
  const { compiled, executor, words, progress, losses } = session;
  const trains = list === 'pass';
  const counted = trains ? countedIn(session, batch) : undefined;
  const parts: Map<string, TermLoss>[] = [];
  await forEachPass(session, batch, trains, async (rows, pass) => {
    words.prepare(progress.step, pass, weights, counted);
    await executor.run(list, rows);
    parts.push(losses());
  });
  return meanLosses([...compiled.terms.keys()], parts);
}

/** Returns the range from the first row of a view to the first `width` columns of the last. */
export function viewRange(view: View, rows: number, width = 1): Range {
  return { at: view, words: (rows - 1) * view.ld + width };
}

/** Returns the ranges of all predictions of some rows. */
export function predictedRanges({ compiled: { predictions } }: Session, rows: number): readonly Range[] {
  return [...predictions.values()].map((view) => viewRange(view, rows));
}

/** Copies the predictions of some rows from the image. */
export function copyPredictions(
  { compiled: { predictions }, executor: { image } }: Session,
  rows: number,
  into: ReadonlyMap<string, Float32Array>,
  begin = 0,
): void {
  for (const [task, view] of predictions) copyColumn(view, rows, image, into.get(task)!, begin);
}

/** Creates a column per prediction. */
export function createPredictions({ compiled: { predictions } }: Session, rows: number): Map<string, Float32Array> {
  return new Map([...predictions.keys()].map((task) => [task, new Float32Array(rows)]));
}

/** Runs a list in evaluation mode over a batch of any size. */
export async function predict(
  session: Session,
  batch: Batch,
  list: 'predict' | 'evaluate',
  onPart: () => void = () => undefined,
): Promise<Map<string, Float32Array>> {
  const {
    executor,
    compiled: { maxRows },
  } = session;
  const results = createPredictions(session, batch.rows);
  for (const { begin, rows } of splitRows(batch.rows, maxRows)) {
    load(executor, batch, begin, rows, false);
    await executor.run(list, rows, predictedRanges(session, rows));
    copyPredictions(session, rows, results, begin);
    onPart();
  }
  return results;
}
