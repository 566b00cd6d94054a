import type { Batch } from '../../core/batch.js';
import { createGateSums, assembleDiagnosis, type Diagnosis, type TermWeights } from '../diagnosis.js';
import type { Program } from '../engine.js';
import { readDenseGradients, readTableGradients } from '../state/results.js';
import { watchUpdates } from '../state/watch-updates.js';
import {
  copyPredictions,
  countedIn,
  createPredictions,
  forEachPass,
  load,
  predictedRanges,
  viewRange,
} from './passes.js';
import type { Session } from './session.js';

/**
 * Runs the next step without updating weights.
 * @returns losses, predictions and gradients
 */
export async function inspect(session: Session, batch: Batch): ReturnType<Program['inspect']> {
  const { compiled, executor, store, host, words, progress, graphWeights, losses } = session;
  const { passGradients, places, tables } = compiled;
  const { rows } = batch;
  await host.settle();
  executor.clearRefused();
  words.prepare(progress.step, 0, graphWeights);
  load(executor, batch, 0, rows, true);
  const { lists } = executor.loader;
  const ranges = [
    ...predictedRanges(session, rows),
    { at: passGradients.at, words: places.weightsCount },
    ...tables.trained.map((table) => ({ at: table.gradients, words: lists.distinctOf(table).length * table.width })),
  ];
  await executor.run(
    'inspect',
    rows,
    ranges.filter((range) => range.words > 0),
  );
  const predictions = createPredictions(session, rows);
  copyPredictions(session, rows, predictions);
  const gradients = new Map([
    ...readDenseGradients(compiled, store),
    ...readTableGradients(tables.trained, executor.image, (table) => lists.distinctOf(table)),
  ]);
  return { losses: losses(), predictions, gradients };
}

/**
 * Computes the gradients of the next step, term by term.
 * @returns a function that completes the diagnosis once the step was taken; undefined if it will be refused
 */
export async function diagnose(
  session: Session,
  batch: Batch,
): Promise<((weights: TermWeights) => Promise<Diagnosis>) | undefined> {
  const { compiled, executor, host, store, words, progress, graphWeights } = session;
  const { graph, places, tables } = compiled;
  const { image, loader } = executor;
  if (compiled.termAreas === 0) throw new Error('no diagnosis was planned');
  const counted = countedIn(session, batch);
  const gates = createGateSums(graph);
  const shares = [...(graph.gates ?? [])].map(([name, gate]) => ({
    name,
    view: places.of(gate.shares).value,
    experts: gate.experts.length,
  }));
  const ones = graphWeights.map(() => 1);
  await forEachPass(session, batch, true, async (rows, pass) => {
    words.prepare(progress.step, pass, ones, counted);
    const ranges = shares.map(({ view, experts }) => viewRange(view, rows, experts));
    await executor.run('diagnosis', rows, ranges);
    for (const { name, view } of shares) gates.add(name, image.floats.subarray(image.wordAt(view)), view.ld, rows);
  });
  if (executor.isRefused) return undefined;
  await executor.run('tensorProducts', batch.rows);
  const products = compiled.productsOfTensors.read(image);
  await host.readBack();
  for (const table of tables.trained) {
    const distinct = loader.lists.distinctOf(table);
    image.words.set(distinct, image.wordAt(table.distinct));
    image.words[image.wordAt(table.count)] = distinct.length;
  }
  const squares = watchUpdates(compiled, store, image);
  return async (weights) => {
    await host.readBack();
    return assembleDiagnosis(products, weights, squares(), gates.uses());
  };
}
