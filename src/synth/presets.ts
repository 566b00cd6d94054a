import type { Rates } from './impressions.js';
import type { WorldShape, WorldSize } from './world.js';

/** A world and its sampling parameters. */
export interface Preset extends WorldSize {
  readonly shape: WorldShape;
  readonly rates: Rates;
  /** For raw files: mean values of a history field, and mean rows per session. */
  readonly bagMean: number;
  readonly sessionRows: number;
}

const sampleKinds = { category: 0.05, shop: 0.25, intention: 0.075, brand: 0.125 };
const ITEMS = 467_298;

export const PRESETS = {
  /** Small, with more clicks and purchases than real logs, so that one minute of training learns something. */
  sample: {
    users: 600,
    items: 200,
    // Ali-CCP's own numbers, except for the 98 of field 121.
    shape: { profile: [20, 14, 3, 8, 4, 4, 3], tiers: 5, positions: 3, kinds: sampleKinds, favorites: sampleKinds },
    rates: { click: 0.25, purchase: 0.2 },
    bagMean: 4,
    sessionRows: 10,
  },
  /** Number of ids, rates and sessions of Ali-CCP (https://tianchi.aliyun.com/dataset/408). */
  'ali-ccp': {
    users: 238_635,
    items: ITEMS,
    shape: {
      profile: [98, 14, 3, 8, 4, 4, 3],
      tiers: 5,
      positions: 4,
      // Fields 206, 207, 210, 216, and 109_14, 110_14, 150_14, 127_14.
      kinds: { category: 6929 / ITEMS, shop: 263_942 / ITEMS, intention: 80_000 / ITEMS, brand: 106_399 / ITEMS },
      favorites: { category: 6000 / ITEMS, shop: 100_000 / ITEMS, intention: 32_000 / ITEMS, brand: 54_000 / ITEMS },
    },
    rates: { click: 0.039, purchase: 0.0054 },
    // The 518 features of a common row are 8 single ones and four bags; 42.3 million rows belong to 730,600 sessions.
    bagMean: 127,
    sessionRows: 58,
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** File formats: CSV with torch-rechub's columns, or the four files of Tianchi. */
export const SYNTH_FORMATS = ['csv', 'raw'] as const;
export type SynthFormat = (typeof SYNTH_FORMATS)[number];
