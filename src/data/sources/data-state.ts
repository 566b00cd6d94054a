import { join } from 'node:path';
import { z } from 'zod';
import { UserError, userError, type Problem } from '../../core/errors.js';
import type { StateSection } from '../../core/state-section.js';
import { fingerprintSchema, isSameContent, type Fingerprint } from '../readers/fingerprint.js';
import type { Split } from '../options.js';
import type { Access, Source } from './source.js';

type Sources = { readonly [S in Split]?: Source | undefined };

/** The splits that decide what a run becomes; test is only measured. */
const TRAINED_BY = ['train', 'valid'] as const;

const dataStateSchema = z.strictObject({
  /** Usable rows of train: with others, the place in an epoch means nothing; null before they are counted. */
  trainRows: z.int().min(0).nullable(),
  /** What the files hold; none in a checkpoint of before it was kept. */
  fingerprints: z.strictObject({ train: fingerprintSchema.optional(), valid: fingerprintSchema.optional() }),
  /** By task whose label is scaled: what was learned for it on train. */
  labelScales: z.record(z.string(), z.unknown()).optional(),
});
/** What a run knows of its data. */
export type DataState = z.output<typeof dataStateSchema>;

/** The data's section of a checkpoint. */
export const dataSection: StateSection<DataState> = { name: 'data', version: 1, schema: dataStateSchema };

/** What is known of data before it is read. */
export function firstDataState(): DataState {
  return { trainRows: null, fingerprints: {} };
}

/** The splits that are known by what they hold, so that their files may lie elsewhere. */
export function splitsByContent({ fingerprints }: DataState): readonly Split[] {
  return TRAINED_BY.filter((split) => fingerprints[split] !== undefined);
}

/**
 * Refuses data that holds something else than a run was trained with, before it is read for it.
 * @throws UserError (data) that says which split and what of it changed
 */
export async function refuseOtherContent({ fingerprints }: DataState, sources: Sources, access: Access): Promise<void> {
  const problems: Problem[] = [];
  for (const split of TRAINED_BY) {
    const [known, source] = [fingerprints[split], sources[split]];
    if (known === undefined || source === undefined) continue;
    const now = await source.fingerprint(access);
    if (isSameContent(known, now) && isOtherOrder(Object.keys(known), Object.keys(now)))
      problems.push({
        key: `data.${split}`,
        where: source.path,
        message: 'its files are in a different order than at training',
        fix: FIX,
      });
    if (!isSameContent(known, now))
      problems.push(...changesOf(source.path, known, now).map((problem) => ({ key: `data.${split}`, ...problem })));
  }
  if (problems.length > 0) throw new UserError('data', problems);
}

/**
 * Takes down what a run is trained with, where it is not known yet.
 * @throws UserError (data) for another number of rows than there were
 */
export async function rememberData(
  state: DataState,
  sources: Sources,
  trainRows: number,
  access: Access,
): Promise<void> {
  if (state.trainRows !== null && state.trainRows !== trainRows) {
    throw userError('data', {
      key: 'data.train',
      message: `has ${trainRows} usable rows, but the run was trained on ${state.trainRows}`,
      fix: FIX,
    });
  }
  state.trainRows = trainRows;
  for (const split of TRAINED_BY) state.fingerprints[split] = await sources[split]?.fingerprint(access);
}

/**
 * What to tell of a valid that holds what train holds, so that the best epoch is the one that learned it by heart; a
 * split of one source is none of these.
 */
export function sameNotices({ fingerprints: { train, valid } }: DataState, isDivided: boolean): readonly string[] {
  if (isDivided || train === undefined || valid === undefined || !isSameContent(train, valid)) return [];
  return [
    'data.valid has the same rows as data.train, so it cannot detect overfitting and the last epoch will be ' +
      'the best; use separate rows, for example with source and split',
  ];
}

const isOtherOrder = (known: readonly string[], now: readonly string[]): boolean =>
  known.length > 1 && known.some((name, i) => name !== now[i]);

const FIX = 'resume with the same data, or start a new run';

function changesOf(path: string, known: Fingerprint, now: Fingerprint): Problem[] {
  return [...new Set([...Object.keys(known), ...Object.keys(now)])].flatMap((name): Problem[] => {
    const [before, after] = [known[name], now[name]];
    const where = join(path, name);
    if (before === undefined) return [{ where, message: 'did not exist at training', fix: FIX }];
    if (after === undefined) return [{ where, message: 'existed at training, but is missing', fix: FIX }];
    if (before.bytes !== after.bytes)
      return [{ where, message: `has ${after.bytes} bytes, but had ${before.bytes} at training`, fix: FIX }];
    return before.hash === after.hash
      ? []
      : [
          {
            where,
            message: `has the same size as at training (${after.bytes} bytes), but different content`,
            fix: FIX,
          },
        ];
  });
}
