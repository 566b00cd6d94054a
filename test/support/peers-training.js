// A rank of test/cluster/training.test.ts: trains plans on batches (from files of structured clones), one after another,
// and writes its final states and results next to them.
import { readFileSync, writeFileSync } from 'node:fs';
import v8 from 'node:v8';
import { openPeers } from '../../dist/cluster/open-peers.js';
import { createCpuEngine } from '../../dist/engines/cpu/engine.js';
import { firstLoopState } from '../../dist/training/loop-state.js';
import { createTrainStep } from '../../dist/training/train-step.js';

const [threads, ...paths] = process.argv.slice(2);
const peers = openPeers();

async function train(path) {
  const { plan, batches, steps, evaluated, options } = v8.deserialize(readFileSync(path));
  const program = createCpuEngine(Number(threads), true, { isPatient: true }).compile({ ...plan, peers });
  const stepper = createTrainStep({
    program,
    training: options,
    terms: plan.graph.terms,
    seed: plan.seed,
    trainingSteps: 1,
    stateOf: (_, first) => first(),
  });
  const found = [];
  for (let step = 0; step < steps; step++) {
    const { losses, norms, diagnosis } = await stepper.take(batches[step % batches.length], {
      ...firstLoopState(),
      step,
    });
    found.push({ losses: [...losses.values()], norms, diagnosis });
  }
  const { predictions, losses } = await program.averaged(() => program.evaluate(evaluated));
  const before = await program.losses(evaluated);
  const { weights, optimizer, dealt, step } = program.state();
  const tensors = new Map(
    [...weights, ...optimizer].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
  writeFileSync(`${path}.${peers.rank}`, v8.serialize({ found, predictions, losses, before, tensors, dealt, step }));
  program.dispose();
}

for (const path of paths) await train(path);
peers.end();
