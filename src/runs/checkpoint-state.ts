import { z } from 'zod';
import type { StateSection } from '../core/state-section.js';
import { parseJson } from './manifest.js';
import { readSection, sectionsSchema, type Sections } from './run-state.js';

/** The checkpoint's own state section. */
export interface OwnState {
  /** Number of optimizer steps. */
  readonly step: number;
  /** Links that point at the checkpoint. */
  readonly links: readonly string[];
}

const ownSection: StateSection<OwnState> = {
  name: 'checkpoint',
  version: 1,
  schema: z.strictObject({
    step: z.int().min(0),
    links: z.array(z.string().regex(/^(last|best|best-[A-Za-z0-9_.@%-]+)$/)),
  }),
};

/** Version of `state.json`; each section also has its own version. */
const FORMAT_VERSION = 3;

const stateSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION, `expected format version ${FORMAT_VERSION}`),
  sections: sectionsSchema,
});

/** Formats the content of `state.json` of a checkpoint. */
export function stateText(own: OwnState, sections: Sections): string {
  return JSON.stringify({
    formatVersion: FORMAT_VERSION,
    sections: { [ownSection.name]: { version: ownSection.version, ...own }, ...sections },
  });
}

/**
 * Parses `state.json`.
 * @param path named in errors
 * @throws UserError (checkpoint)
 */
export function parseState(text: string, path: string): { readonly own: OwnState; readonly sections: Sections } {
  const saved = parseJson(path, text, stateSchema).sections;
  const sections = Object.fromEntries(Object.entries(saved).filter(([name]) => name !== ownSection.name));
  return { own: readSection(saved, ownSection, path), sections };
}
