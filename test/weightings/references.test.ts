import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { weightings } from '../../src/weightings/weightings.js';
import { stepOf } from './drive.js';

// Numbers of LibMTL and torchjd, or of the papers' own arithmetic where they have none: see make_cases.py.

interface Case {
  readonly source: string;
  readonly options: Record<string, unknown>;
  readonly configWeights?: readonly number[];
  readonly steps: readonly { losses: number[]; gramian: number[]; lossesAfter?: number[]; epoch: number }[];
  /** Of each step. */
  readonly weights: readonly (readonly number[])[];
  /** Of a random choice, all that there are. */
  readonly outcomes?: readonly (readonly number[])[];
  readonly tolerance?: number;
}

const casesOf = (name: string): Case[] => {
  const path = join(import.meta.dirname, 'cases', `${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Case[]) : [];
};

/** The weights of a case's steps. */
function trajectory(name: string, { options, configWeights, steps }: Case, seed = 1): (readonly number[])[] {
  const weighting = weightings.build(weightings.schema.parse({ name, ...options }));
  const terms = steps[0]!.losses;
  let state = weighting.first(
    configWeights ?? terms.map(() => 1),
    seed,
    terms.map((_, i) => 'abcdefghijklmnopqrstuvwxyz'[i]!),
  );
  return steps.map((seen, step) => {
    const taken = stepOf(weighting, state, { ...seen, gramian: Float64Array.from(seen.gramian), step: step + 1 });
    state = taken.state;
    return taken.weights;
  });
}

/** How far the weights are from the expected ones, as a part of the largest of these. */
function distance(found: readonly number[], expected: readonly number[]): number {
  return Math.max(...expected.map((weight, i) => Math.abs(found[i]! - weight))) / Math.max(...expected.map(Math.abs));
}

describe('every weighting', () => {
  it('has reference values, except fixed', () => {
    expect(weightings.names.filter((name) => casesOf(name).length === 0)).toEqual(['fixed']);
  });

  for (const name of weightings.names) {
    casesOf(name).forEach((each, i) => {
      const { source, options, steps, weights, outcomes, tolerance = 1e-5 } = each;
      it(`${name} matches ${source}, ${steps[0]!.losses.length} terms, ${JSON.stringify(options)} (${i})`, () => {
        if (outcomes === undefined) {
          trajectory(name, each).forEach((found, step) =>
            expect(distance(found, weights[step]!)).toBeLessThan(tolerance),
          );
          return;
        }
        // Each outcome comes up, and no other.
        const seeds = Array.from({ length: 200 }, (_, seed) => trajectory(name, each, seed)[0]!);
        const at = seeds.map((found) => outcomes.findIndex((outcome) => distance(found, outcome) < tolerance));
        expect(new Set(at)).toEqual(new Set(outcomes.keys()));
      });
    });
  }
});
