import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { csvText } from '../../src/text/csv-text.js';
import { randomStream, type Random } from '../../src/core/random.js';

// Miniatures of public data sets: files with the names, columns and irregularities of the real ones, and the expected
// join.

/** An expected row: its split, and its values as strings by column. */
export interface JoinedRow {
  readonly split: 'train' | 'valid' | 'test';
  readonly cells: Readonly<Record<string, string>>;
}

/** Writes the files of a data set into a directory; returns the expected join. */
export type Miniature = (folder: string) => readonly JoinedRow[];

type Cells = Record<string, string>;

const ROWS = 800;
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const isHeldOut = (key: string): boolean => createHash('md5').update(key).digest('hex').startsWith('0');
const coin = (random: Random, share: number): string => String(Number(random.uniform() < share));
const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random.below(items.length)]!;

/** CSV with a header. */
const withHeader = (rows: readonly Cells[]): string =>
  csvText([Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))]);
const withoutHeader = (rows: readonly Cells[]): string => csvText(rows.map((row) => Object.values(row)));

function write(folder: string, name: string, content: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}

/** Values of some columns; missing ones are blank, as in a left join. */
const cellsOf = (row: Cells | undefined, names: readonly string[]): Cells =>
  Object.fromEntries(names.map((name) => [name, row?.[name] ?? '']));

/**
 * AliExpress: searches and their results, without headers; the last column of the second file is 0, 1 (click) or 2
 * (purchase).
 */
const aliExpress: Miniature = (folder) => {
  const random = randomStream(1, 'aliexpress');
  const two = (i: number): string => String(i).padStart(2, '0');
  const isId = (side: string, i: number): boolean =>
    side === 'user' ? i < 8 || i > 30 : [18, 33, 34, 35, 39, 40, 41].includes(i);
  const cell = (side: string, i: number): string =>
    isId(side, i) ? String(random.below(20)) : random.normal().toFixed(4);
  const joined: JoinedRow[] = [];
  for (const split of ['train', 'test'] as const) {
    const users: Cells[] = range(100).map((s) =>
      Object.fromEntries(range(33).map((i) => [`user_${two(i)}`, i === 0 ? `${split}${s}` : cell('user', i)])),
    );
    const items: Cells[] = range(split === 'train' ? ROWS : 200).map(() =>
      Object.fromEntries(
        range(49).map((i) => [
          `item_${two(i)}`,
          i === 0 ? pick(random, users)['user_00']! : i === 48 ? pick(random, ['0', '0', '1', '2']) : cell('item', i),
        ]),
      ),
    );
    write(folder, `nl_user_${split}.csv`, withoutHeader(users));
    write(folder, `nl_item_${split}.csv`, withoutHeader(items));
    for (const item of items) {
      const user = users.find((each) => each['user_00'] === item['item_00'])!;
      const label = item['item_48']!;
      joined.push({
        split: split === 'train' && isHeldOut(item['item_00']!) ? 'valid' : split,
        cells: { ...user, ...item, click: label === '0' ? '0' : '1', conversion: label === '2' ? '1' : '0' },
      });
    }
  }
  return joined;
};

/**
 * KuaiRand-Pure: logs of two periods, users and videos; some videos have no description and some user features are
 * blank.
 */
const kuaiRand: Miniature = (folder) => {
  const random = randomStream(1, 'kuairand');
  const userNames = [
    'user_active_degree',
    'follow_user_num_range',
    'fans_user_num_range',
    'friend_user_num_range',
    'register_days_range',
    'onehot_feat3',
    'onehot_feat8',
  ];
  const users: Cells[] = range(50).map((u) => ({
    user_id: String(u),
    user_active_degree: pick(random, ['full_active', 'high_active', 'UNKNOWN']),
    follow_user_num_range: pick(random, ['0', '(0,10]']),
    fans_user_num_range: pick(random, ['[1,10)', '[100,1k)']),
    friend_user_num_range: pick(random, ['0', '[1,5)']),
    register_days_range: pick(random, ['31-60', '730+']),
    onehot_feat3: String(random.below(1471)),
    onehot_feat8: pick(random, ['', '354.0', '7.0']),
  }));
  const videoNames = ['author_id', 'video_type', 'upload_type', 'music_type', 'tag'];
  const videos: Cells[] = range(40).map((v) => ({
    video_id: String(v),
    author_id: String(random.below(15)),
    video_type: pick(random, ['NORMAL', 'AD']),
    upload_dt: '2020-07-08',
    upload_type: pick(random, ['ShortImport', 'LongImport']),
    music_type: pick(random, ['', '4.0', '9.0']),
    tag: pick(random, ['', '12', '12,65', '3,12']),
  }));
  const logs: Cells[] = range(ROWS).map(() => {
    const [duration, played] = [5000 + random.below(60_000), random.below(40_000)];
    const day = pick(random, ['20220410', '20220420', '20220506', '20220507', '20220508']);
    return {
      user_id: String(random.below(50)),
      video_id: String(random.below(43)),
      date: day,
      hourmin: pick(random, ['0', '400', '1500', '2300']),
      time_ms: '1650485801301',
      is_click: coin(random, 0.4),
      is_like: coin(random, 0.1),
      long_view: coin(random, 0.3),
      play_time_ms: String(played),
      duration_ms: String(duration),
      is_rand: '0',
      tab: String(random.below(3)),
    };
  });
  const isEarly = ({ date }: Cells): boolean => date! < '20220422';
  write(folder, 'log_standard_4_08_to_4_21_pure.csv', withHeader(logs.filter(isEarly)));
  write(folder, 'log_standard_4_22_to_5_08_pure.csv', withHeader(logs.filter((row) => !isEarly(row))));
  write(folder, 'user_features_pure.csv', withHeader(users));
  write(folder, 'video_features_basic_pure.csv', withHeader(videos));
  return logs.map((log) => ({
    split: log['date']! <= '20220506' ? 'train' : log['date'] === '20220507' ? 'valid' : 'test',
    cells: {
      ...cellsOf(log, [
        'date',
        'user_id',
        'video_id',
        'tab',
        'is_click',
        'is_like',
        'long_view',
        'play_time_ms',
        'duration_ms',
      ]),
      hour: log['hourmin']!.padStart(4, '0').slice(0, 2),
      ...cellsOf(
        users.find(({ user_id: id }) => id === log['user_id']),
        userNames,
      ),
      ...cellsOf(
        videos.find(({ video_id: id }) => id === log['video_id']),
        videoNames,
      ),
    },
  }));
};

/** KuaiSAR: recommendations, users, and items whose captions are lists of words. */
const kuaiSar: Miniature = (folder) => {
  const random = randomStream(1, 'kuaisar');
  const userNames = ['search_active_level', 'rec_active_level', 'onehot_feat1', 'onehot_feat2'];
  const users: Cells[] = range(50).map((u) => ({
    user_id: String(u),
    ...Object.fromEntries(userNames.map((name) => [name, String(random.below(4))])),
  }));
  const itemNames = [
    'caption',
    'author_id',
    'item_type',
    'upload_type',
    'first_level_category_id',
    'second_level_category_id',
  ];
  const items: Cells[] = range(40).map((i) => ({
    item_id: String(i),
    caption: `[${range(random.below(4))
      .map(() => random.below(60))
      .join(', ')}]`,
    author_id: String(random.below(15)),
    item_type: 'NORMAL',
    upload_time: '2023-04-22',
    upload_type: pick(random, ['LongImport', 'ShortImport']),
    first_level_category_id: String(random.below(9)),
    second_level_category_id: String(random.below(30)),
  }));
  const logs: Cells[] = range(ROWS).map(() => ({
    user_id: String(random.below(50)),
    item_id: String(random.below(42)),
    time:
      `${pick(random, ['2023-05-22', '2023-06-01', '2023-06-08', '2023-06-09', '2023-06-10'])} ` +
      `${pick(random, ['08', '15', '23'])}:53:20`,
    timestamp: '1684742000000.0',
    playing_time: '60792.0',
    duration_ms: '45400.0',
    click: coin(random, 0.5),
    forward: '0',
    like: coin(random, 0.1),
    follow: '0',
    search: coin(random, 0.1),
    search_item_related: '0',
  }));
  write(folder, 'rec_inter.csv', withHeader(logs));
  write(folder, 'user_features.csv', withHeader(users));
  write(folder, 'item_features.csv', withHeader(items));
  return logs.map((log) => {
    const [day, clock] = log['time']!.split(' ') as [string, string];
    return {
      split: day <= '2023-06-08' ? 'train' : day === '2023-06-09' ? 'valid' : 'test',
      cells: {
        day,
        hour: clock.slice(0, 2),
        liked: log['like']!,
        ...cellsOf(log, ['user_id', 'item_id', 'click', 'search']),
        ...cellsOf(
          users.find(({ user_id: id }) => id === log['user_id']),
          userNames,
        ),
        ...cellsOf(
          items.find(({ item_id: id }) => id === log['item_id']),
          itemNames,
        ),
      },
    };
  });
};

/** Tenrec: one file, with the ten previous items in columns of their own. */
const tenrec: Miniature = (folder) => {
  const random = randomStream(1, 'tenrec');
  const past = range(10).map((i) => `hist_${i + 1}`);
  const logs: Cells[] = range(ROWS).map(() => ({
    user_id: String(random.below(90)),
    item_id: String(random.below(40)),
    click: coin(random, 0.3),
    follow: coin(random, 0.05),
    like: coin(random, 0.1),
    share: coin(random, 0.05),
    video_category: String(random.below(2)),
    watching_times: String(random.below(5)),
    gender: String(random.below(3)),
    age: String(random.below(8)),
    ...Object.fromEntries(past.map((name) => [name, String(random.below(40))])),
  }));
  write(folder, 'ctr_data_1M.csv', withHeader(logs));
  return logs.map((log) => {
    const digit = createHash('md5').update(log['user_id']!).digest('hex')[0]!;
    return {
      split: digit === '0' ? 'valid' : digit === '1' ? 'test' : 'train',
      cells: {
        liked: log['like']!,
        ...cellsOf(log, ['user_id', 'item_id', 'click', 'follow', 'share', 'video_category', 'gender', 'age']),
        hist: past.map((name) => log[name]!).join('|'),
      },
    };
  });
};

/** MAC: Parquet with sequences as lists and an attribution share of each conversion. */
const mac: Miniature = (folder) => {
  const random = randomStream(1, 'mac');
  const ids = [
    ...range(6).map((i) => `user_feat${i}`),
    ...range(6).map((i) => `ad_feat${i}`),
    ...range(4).map((i) => `context_feat${i}`),
  ];
  const sequences = range(3).map((i) => `ad_feat${i}_seq`);
  const joined: JoinedRow[] = [];
  for (const file of ['train/train-00.parquet', 'train/train-01.parquet', 'test/test.parquet']) {
    const rows = range(file.startsWith('test') ? 200 : ROWS / 2).map(() => {
      const texts: Cells = {
        user_id: `u${random.below(90)}`,
        ...Object.fromEntries(ids.map((name) => [name, `t${random.below(20)}`])),
      };
      const isBought = random.uniform() < 0.3;
      return {
        texts,
        lists: Object.fromEntries(sequences.map((name) => [name, range(20).map(() => `t${random.below(20)}`)])),
        labels: {
          first: isBought ? pick(random, [0, 1]) : 0,
          last: isBought ? pick(random, [0, 1]) : 0,
          mta: isBought ? random.uniform() : 0,
          linear: isBought ? 0.5 : 0,
        },
      };
    });
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    const list = (name: string) => [
      { name, repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
      { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
      {
        name: 'element',
        type: 'BYTE_ARRAY' as const,
        converted_type: 'UTF8' as const,
        repetition_type: 'OPTIONAL' as const,
      },
    ];
    const textNames = ['user_id', ...ids];
    const labelNames = ['first', 'last', 'mta', 'linear'] as const;
    parquetWriteFile({
      filename: join(folder, file),
      schema: [
        { name: 'root', num_children: textNames.length + sequences.length + labelNames.length },
        ...textNames.map((name) => ({
          name,
          type: 'BYTE_ARRAY' as const,
          converted_type: 'UTF8' as const,
          repetition_type: 'OPTIONAL' as const,
        })),
        ...sequences.flatMap(list),
        ...labelNames.map((name) => ({ name, type: 'DOUBLE' as const, repetition_type: 'OPTIONAL' as const })),
      ],
      columnData: [
        ...textNames.map((name) => ({ name, data: rows.map(({ texts }) => texts[name]!) })),
        ...sequences.map((name) => ({ name, data: rows.map(({ lists }) => lists[name]!) })),
        ...labelNames.map((name) => ({ name, data: rows.map(({ labels }) => labels[name]) })),
      ],
    });
    for (const { texts, lists, labels } of rows) {
      const split = file.startsWith('test') ? 'test' : isHeldOut(texts['user_id']!) ? 'valid' : 'train';
      joined.push({
        split,
        cells: {
          ...texts,
          ...Object.fromEntries(sequences.map((name) => [name, JSON.stringify(lists[name])])),
          ...Object.fromEntries(labelNames.map((name) => [`${name}_touch`, String(Number(labels[name] > 0))])),
        },
      });
    }
  }
  return joined;
};

/** By config name. */
export const miniatures: Readonly<Record<string, Miniature>> = {
  aliexpress: aliExpress,
  kuairand: kuaiRand,
  kuaisar: kuaiSar,
  tenrec,
  mac,
};
