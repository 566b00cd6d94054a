/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream, type Random } from '../src/core/random.js';
import { csvText } from '../src/text/csv-text.js';
import { trainSmall } from './support/small-run.js';
import { scratchFolder } from './support/scratch.js';

const FOLDER = join('configs', 'leaderboard');
const PAGE = readFileSync('docs/benchmarks/leaderboard.md', 'utf8');
const NUM_USERS = 20;
const NUM_ITEMS = 40;

type Row = Readonly<Record<string, string>>;

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
const row = (columns: readonly string[], cell: (column: string) => string): Row =>
  Object.fromEntries(columns.map((column) => [column, cell(column)]));
/** A click whose probability depends on a value. */
const clicks = (random: Random, value: number): string =>
  String(Number(random.uniform() < (value % 2 === 0 ? 0.7 : 0.2)));
const list = (random: Random, most: number, count: number): string =>
  Array.from({ length: random.below(most + 1) }, () => String(random.below(count))).join('^');

/** Rows with the columns and formats of the public files, some of which have a validation set. */
const MINIATURES: Readonly<Record<string, { readonly hasValid: boolean; readonly row: (random: Random) => Row }>> = {
  'criteo-x1': {
    hasValid: true,
    row: (random) => {
      const first = random.below(9);
      return {
        label: clicks(random, first),
        ...row(names('I', 13), () => (random.below(4) === 0 ? '0.0' : random.uniform().toFixed(8))),
        ...row(names('C', 26), (column) => `${column === 'C1' ? first : random.below(NUM_ITEMS)}.0`),
      };
    },
  },
  'avazu-x1': {
    hasValid: true,
    row: (random) => {
      const first = random.below(9);
      const cells = row(names('feat_', 22), (column) => String(column === 'feat_1' ? first : random.below(NUM_ITEMS)));
      return { label: clicks(random, first), ...cells };
    },
  },
  'kuaivideo-x1': {
    hasValid: false,
    row: (random) => {
      const item = random.below(NUM_ITEMS);
      return {
        timestamp: String(random.below(1_000_000)),
        user_id: String(random.below(NUM_USERS)),
        item_id: String(item),
        is_click: clicks(random, item),
        is_like: '0',
        is_follow: '0',
        pos_items: list(random, 120, NUM_ITEMS),
        neg_items: list(random, 120, NUM_ITEMS),
      };
    },
  },
  'taobaoad-x1': {
    hasValid: false,
    row: (random) => {
      const brand = random.below(NUM_ITEMS);
      const user = 'userid cms_segid cms_group_id final_gender_code age_level pvalue_level shopping_level occupation';
      const ad = 'new_user_class_level adgroup_id cate_id campaign_id customer pid btag';
      return {
        clk: clicks(random, brand),
        btag_his: list(random, 50, 4),
        cate_his: list(random, 50, NUM_ITEMS),
        brand_his: list(random, 50, NUM_ITEMS),
        // As in the file, some levels are missing.
        ...row(user.split(' '), (column) =>
          column === 'pvalue_level' && random.below(2) === 0 ? '' : String(random.below(NUM_USERS)),
        ),
        ...row(ad.split(' '), () => String(random.below(NUM_ITEMS))),
        brand: String(brand),
        price: (1000 * random.uniform()).toFixed(2),
      };
    },
  },
};

/** Writes the public files of a miniature, and holds out the validation set as the page does. */
function writeFiles(folder: string, name: string): void {
  const { hasValid, row } = MINIATURES[name]!;
  const random = randomStream(1, name);
  const counts = { train: 1600, ...(hasValid && { valid: 400 }), test: 400 };
  for (const [split, count] of Object.entries(counts)) {
    const rows = Array.from({ length: count }, () => row(random));
    writeFileSync(
      join(folder, `${split}.csv`),
      csvText([Object.keys(rows[0]!), ...rows.map((each) => Object.values(each))]),
    );
  }
  if (hasValid) return;
  const [, command] = /```sh\n(awk .*)\n```/.exec(PAGE)!;
  execFileSync('sh', ['-c', command!], { cwd: folder });
}

describe('a config of a public leaderboard', () => {
  it('has a miniature and a row on the page', () => {
    const configs = readdirSync(FOLDER).map((file) => file.replace('.yaml', ''));
    expect(Object.keys(MINIATURES).sort()).toEqual(configs.sort());
    for (const name of configs) expect(PAGE).toContain(`\`${FOLDER}/${name}.yaml\``);
  });

  it.each(Object.keys(MINIATURES))('%s learns from files of the public shape', async (name) => {
    const folder = scratchFolder();
    writeFiles(folder, name);
    const train = MINIATURES[name]!.hasValid ? 'train' : 'fit';
    const { metrics } = await trainSmall(join(FOLDER, `${name}.yaml`), {
      runDir: join(folder, 'run'),
      set: [
        'training.epochs=6',
        'training.batchSize=128',
        `data.cache=${join(folder, 'cache')}`,
        `data.train=${join(folder, `${train}.csv`)}`,
        `data.valid=${join(folder, 'valid.csv')}`,
        `data.test=${join(folder, 'test.csv')}`,
      ],
    });
    const { rows, auc } = metrics['test']!['click']!;
    expect(rows).toBe(400);
    // One column decides the clicks: its true probabilities have an AUC of about .75.
    expect(auc).toBeGreaterThan(0.6);
    expect(metrics['valid']!['click']!.rows).toBe(MINIATURES[name]!.hasValid ? 400 : 100);
  });

  it('makes its claims in its header', () => {
    for (const name of Object.keys(MINIATURES)) {
      const [header] = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8').split('\n\n');
      for (const claim of ['paper', 'data', 'score', 'cost'])
        expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
      expect(header).toContain(`npx mtl train configs/leaderboard/${name}.yaml`);
    }
  });
});
