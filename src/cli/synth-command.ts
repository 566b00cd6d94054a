import { EXIT_CODES } from '../errors.js';
import { synth } from '../synth.js';
import { reportTable } from './format.js';
import { createOutput } from './output.js';

/** The arguments of `mtl synth`. */
export interface SynthArguments {
  readonly folder: string;
  readonly seed: number;
  readonly train: number;
  readonly valid: number;
  readonly test: number;
  readonly users: number;
  readonly items: number;
  readonly clickRate: number;
  readonly purchaseRate: number;
}

/** `mtl synth`: generates, prints what the truth scores, and gives the exit code. */
export async function runSynth({ folder, seed, train, valid, test, users, items, clickRate, purchaseRate }: SynthArguments): Promise<number> {
  const { screen } = createOutput(false);
  const oracle = await synth({ folder, seed, rows: { train, valid, test }, users, items, rates: { click: clickRate, purchase: purchaseRate } });
  screen.print(`the true probabilities on ${folder}, as in its oracle.json`);
  for (const [split, report] of Object.entries(oracle)) screen.print(reportTable(split, report, screen));
  return EXIT_CODES.done;
}
