// Trains on a file as on a stream, batch by batch in order, with vocabularies that grow, and saves full checkpoints and
// deltas. Resumes from the newest checkpoint. Arguments: config, data, run directory, threads, number of steps.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadConfig } from '../../dist/config/load.js';
import { SINGLE_PROCESS } from '../../dist/core/process-group.js';
import { sliceRows } from '../../dist/core/batch.js';
import { encodeRows, fitRows } from '../../dist/data/pipeline.js';
import { openRows } from '../../dist/data/readers/open-rows.js';
import { dataColumns } from '../../dist/data/rows/row-format.js';
import { dataSection, firstDataState } from '../../dist/data/sources/data-state.js';
import { refuseBadRows } from '../../dist/data/rows/rejects.js';
import { dumpConfig } from '../../dist/config/dump.js';
import { createCpuEngine } from '../../dist/engines/cpu/engine.js';
import { readState } from '../../dist/engines/engine.js';
import { planSize } from '../../dist/engines/plan-size.js';
import { GrowingVocabularies } from '../../dist/features/growing-vocabularies.js';
import { buildGraph, planRows } from '../../dist/inputs/open-inputs.js';
import { readNewestCheckpoint } from '../../dist/runs/checkpoint.js';
import { openCheckpointer } from '../../dist/runs/checkpointer.js';
import { resumedFrom } from '../../dist/runs/open-run.js';
import { createRowJournal } from '../../dist/tables/row-journal.js';
import { firstLoopState } from '../../dist/training/loop-state.js';
import { buildStepPlan } from '../../dist/training/step-plan.js';

export const BATCH_ROWS = 16;
const HOUR_MS = 3_600_000;

export async function trainOnStream(configPath, dataPath, run, threads, numSteps, onStep = () => undefined) {
  const { experiment } = await loadConfig(configPath);
  const { tasks, format } = await planRows(experiment);
  const newest = existsSync(run) ? await readNewestCheckpoint(run, () => undefined) : undefined;
  const resumed = newest?.checkpoint && resumedFrom(join(run, 'checkpoints', newest.name), newest.checkpoint);
  await mkdir(run, { recursive: true });
  const fitFile = await openRows([experiment.data.train].flat()[0], dataColumns(format));
  const fitted = resumed?.fitted ?? (await fitRows([fitFile], format, refuseBadRows));
  const vocabularies = new GrowingVocabularies(format.fields, fitted, experiment.seed);
  const { layout, graph } = buildGraph(experiment, tasks, vocabularies.fields, { sums: new Map(), scales: new Map() });
  const plan = { graph, layout, seed: experiment.seed, peers: SINGLE_PROCESS, ...buildStepPlan(experiment.training) };
  const engine = createCpuEngine(threads, true, { isPatient: true });
  planSize(plan, engine, vocabularies.byteLength);
  const program = engine.compile(plan);
  const journal = createRowJournal(layout);
  resumed?.restore(program);
  const loop = { ...firstLoopState(), step: program.state().step };
  const checkpointer = await openCheckpointer(
    {
      ...experiment.checkpoints,
      run: { folder: run, resumed, damaged: [], check: () => Promise.resolve() },
      loop,
      goals: new Map(),
      peers: SINGLE_PROCESS,
      journal,
      states: { growth: vocabularies },
      snapshot: async () => ({
        program: await readState(program),
        sections: { data: { version: dataSection.version, ...firstDataState() } },
        config: dumpConfig(experiment),
        lookups: new Map(),
        states: {},
        get fitted() {
          return vocabularies.fitted();
        },
      }),
    },
    () => undefined,
  );
  const source = await openRows(dataPath, dataColumns(format));
  const predictions = [];
  let position = 0;
  for await (const { batch } of encodeRows(source, { ...format, fields: vocabularies.fields, fitted })) {
    for (let begin = 0; begin + BATCH_ROWS <= batch.rows && loop.step < numSteps; begin += BATCH_ROWS) {
      if (position++ < loop.step) continue;
      const rows = sliceRows(batch, begin, begin + BATCH_ROWS);
      const changes = vocabularies.assign(rows, loop.step * HOUR_MS);
      program.changeRows(changes);
      journal.markChanges(changes);
      journal.mark(rows);
      predictions.push(...(await program.predict(rows)).values());
      await program.trainStep(rows);
      loop.step++;
      loop.batch = loop.step;
      await checkpointer.beforeStep(loop.step)?.();
      onStep(loop.step);
    }
    vocabularies.releaseNumbers();
  }
  const report = vocabularies.report();
  const end = { program: await readState(program), fitted: vocabularies.fitted(), report, predictions };
  const state = { ...end, program: copyOf(end.program) };
  program.dispose();
  return state;
}

function copyOf({ step, weights, optimizer }) {
  const copy = (tensors) =>
    new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  return { step, weights: copy(weights), optimizer: copy(optimizer) };
}

if (import.meta.url === pathToFileURL(resolve(process.argv[1] ?? '')).href) {
  const [config, data, run, threads, steps] = process.argv.slice(2);
  await trainOnStream(config, data, run, Number(threads), Number(steps), (step) =>
    process.stdout.write(`step ${step}\n`),
  );
}
