import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRunState } from '../../src/runs/run-state.js';
import type { StateSection } from '../../src/core/state-section.js';

interface Turns {
  turns: number;
}
const wheel: StateSection<Turns> = { name: 'wheel', version: 2, schema: z.strictObject({ turns: z.int() }) };
const first = (): Turns => ({ turns: 0 });

describe('the state of a run', () => {
  it('combines its sections, each as its component left it', () => {
    const state = createRunState({ wheel: { version: 2, turns: 5 } }, 'state.json');
    const turned = state.of(wheel, first);
    const other = state.of({ ...wheel, name: 'other', version: 1 }, first);
    expect([turned, other]).toEqual([{ turns: 5 }, { turns: 0 }]);
    turned.turns++;
    expect(state.sections()).toEqual({ wheel: { version: 2, turns: 6 }, other: { version: 1, turns: 0 } });
    expect(state.of(wheel, first)).toBe(turned);
  });

  it('gives each section to one component', () => {
    const state = createRunState({}, 'state.json');
    state.of(wheel, first);
    expect(() => state.of({ ...wheel }, first)).toThrow("two parts keep a section 'wheel'");
  });

  it('rejects a section that no component requests, by its name', () => {
    const state = createRunState({ wheel: { version: 2, turns: 5 }, gear: { version: 1 } }, 'step-1/state.json');
    state.of(wheel, first);
    expect(() => state.sections()).toThrow(
      /^step-1\/state\.json: section 'gear': this run has no component with such state; resume with the version of mtl that saved it$/,
    );
  });

  it.each([
    ['another version', { version: 3, turns: 5 }, /section 'wheel': expected version 2, found 3/],
    ['a value of another type', { version: 2, turns: 'x' }, /section 'wheel': invalid content at turns: /],
    ['a key too many', { version: 2, turns: 5, more: 1 }, /section 'wheel': invalid content: /],
  ])('rejects a section with %s by its name', (_, saved, message) => {
    const state = createRunState({ wheel: saved }, 'state.json');
    expect(() => state.of(wheel, first)).toThrow(message);
    expect(() => state.of(wheel, first)).toThrow(expect.objectContaining({ exitCode: 4 }));
  });
});
