import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';

const configOf = (data: string): string => `data:
${data}
features:
  f: { type: categorical, fields: [id] }
tasks:
  ctr: { label: click }
model: { name: shared-bottom }
`;
const join = (file: string): string =>
  `  train: rows
  join:
    key: id
    time: at
    events:
      click: { file: ${file}, within: 1h }`;
const messageOf = (data: string): string => {
  try {
    parseConfig(configOf(data), 'stream.yaml');
  } catch (error) {
    return (error as Error).message;
  }
  return 'valid';
};

describe('a password in the URL of a stream', () => {
  it.each([
    ['  train: kafka://me:secret@host:9092/clicks', 2, 'data.train', 'MTL_KAFKA_PASSWORD'],
    ['  train: [kafka://me:secret@host/clicks]', 2, 'data.train.0', 'MTL_KAFKA_PASSWORD'],
    ['  train: nats://:secret@host/clicks', 2, 'data.train', 'MTL_NATS_PASSWORD'],
    [join('nats://me:secret@host/clicks'), 7, 'data.join.events.click.file', 'MTL_NATS_PASSWORD'],
  ])('is refused with key and line, and not printed: %s', (data, line, key, variable) => {
    const message = messageOf(data);
    expect(message).toMatch(new RegExp(`^stream\\.yaml:${line}:\\d+: ${key.replaceAll('.', '\\.')}: `));
    expect(message).toContain(
      `has a password, which files and logs would contain; set ${variable} in the environment instead`,
    );
    expect(message).not.toContain('secret');
  });

  it.each(['  train: kafka://me@host:9092/clicks', '  train: kafka://a:9092,b:9092/clicks', '  train: logs/a:b@c.csv'])(
    'is not found in %s',
    (data) => {
      expect(messageOf(data)).toBe('valid');
    },
  );
});
