import { z } from 'zod';
import type { KeyTexts } from '../../core/row-key.js';
import type { Manifest } from './manifest.js';

/** What the manifest calls them. */
export const KEY_TEXTS = 'keyTexts';

const keyTextsSchema = z.record(z.string(), z.record(z.string(), z.string()).nullable());

/** Texts as the manifest has them. */
export function storedKeyTexts(
  texts: ReadonlyMap<string, KeyTexts>,
): Readonly<Record<string, Readonly<Record<string, string>> | null>> {
  return Object.fromEntries(Array.from(texts, ([column, found]) => [column, found && Object.fromEntries(found)]));
}

/** By key column: the texts that the writer of the shards met; none where there is no such column. */
export function keyTextsOf({ about }: Manifest): ReadonlyMap<string, KeyTexts> {
  const parsed = keyTextsSchema.safeParse(about[KEY_TEXTS]);
  return new Map(
    parsed.success
      ? Object.entries(parsed.data).map(([column, texts]) => [column, texts && new Map(Object.entries(texts))])
      : [],
  );
}
