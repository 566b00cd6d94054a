import { describe, expect, it } from 'vitest';
import { BadValue } from '../../src/features/feature.js';
import { featureTypes, createFields } from '../../src/features/feature-types.js';
import { randomStream } from '../../src/core/random.js';
import { fieldOf } from '../support/fitted-field.js';

/** What each part of a cell becomes: hour, weekday, day, month. */
function partsOf(cell: string, spec: object = {}): number[] {
  const fields = createFields([
    featureTypes.schema.parse({ type: 'date', fields: ['at'], parts: ['hour', 'weekday', 'day', 'month'], ...spec }),
  ]);
  return fields.map(({ encoder }) => encoder(undefined).encode(cell));
}

describe('a date', () => {
  it('is one field per part, named after both; default: hour and weekday', () => {
    const fields = createFields([
      featureTypes.schema.parse({ type: 'date', fields: ['at', { name: 'born', parts: ['month'], width: 3 }] }),
    ]);
    expect(fields.map(({ name, columns, width, encoder }) => [name, columns, width, encoder(undefined).rows])).toEqual([
      ['at_hour', ['at'], 16, 25],
      ['at_weekday', ['at'], 16, 8],
      ['born_month', ['born'], 3, 13],
    ]);
  });

  // 2026-11-01 was a Sunday, 2024-02-29 a Thursday, 1969-07-20 a Sunday.
  it.each([
    ['2026-11-01T00:00:00Z', [1, 7, 1, 11]],
    ['2026-11-01 23:59:59.999', [24, 7, 1, 11]],
    ['2024-02-29T12:30', [13, 4, 29, 2]],
    ['2024-02-29 12', [13, 4, 29, 2]],
    ['20240229T123000Z', [13, 4, 29, 2]],
    ['2026-11-01 05:06:07 UTC', [6, 7, 1, 11]],
    ['2026-11-01 05:06:07+00', [6, 7, 1, 11]],
    ['1969-07-20T20:17:40Z', [21, 7, 20, 7]],
    ['2026-12-31T23:30:00-01:00', [1, 5, 1, 1]],
    ['2026-01-01T00:30:00+0530', [20, 3, 31, 12]],
    ['', [0, 0, 0, 0]],
  ])('as %j is parsed in UTC', (cell, parts) => {
    expect(partsOf(cell)).toEqual(parts);
  });

  it('may have no time, as 2026-11-01 or 20261101, without the hour part', () => {
    for (const cell of ['2026-11-01', '20261101']) {
      expect(partsOf(cell, { parts: ['weekday', 'day'] })).toEqual([7, 1]);
      expect(() => partsOf(cell)).toThrow(
        expect.objectContaining({
          expected: 'a date with a time of day',
          cure: expect.stringContaining('remove hour from parts') as unknown,
        }),
      );
    }
  });

  it('is converted to its time zone, also across clock changes', () => {
    const berlin = { timeZone: 'Europe/Berlin', parts: ['hour', 'day'] };
    expect(
      [
        '2026-03-29T00:59:59Z',
        '2026-03-29T01:00:00Z',
        '2026-10-25T00:30:00Z',
        '2026-10-25T01:30:00Z',
        '2026-12-31T23:00:00Z',
      ].map((cell) => partsOf(cell, berlin)),
    ).toEqual([
      [2, 29],
      [4, 29],
      [3, 25],
      [3, 25],
      [1, 1],
    ]);
    expect(partsOf('2026-11-01T05:00', berlin)).toEqual([6, 1]);
    expect(partsOf('2026-11-01T20:00Z', { timeZone: '+05:30', parts: ['hour', 'day'] })).toEqual([2, 2]);
    expect(partsOf('2026-11-01T01:00Z', { timeZone: '-02', parts: ['hour', 'day'] })).toEqual([24, 31]);
  });

  it.each(['America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC'])(
    'in %s matches the calendar at any instant from 1950 to 2050',
    (timeZone) => {
      const random = randomStream(3, timeZone);
      const format = new Intl.DateTimeFormat('en-GB', {
        timeZone,
        hourCycle: 'h23',
        hour: '2-digit',
        weekday: 'short',
        day: 'numeric',
        month: 'numeric',
      });
      for (let i = 0; i < 300; i++) {
        const instant = Math.round((random.uniform() * 100 - 20) * 365.2425 * 86400) * 1000;
        const of = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
        const expected = [
          1 + Number(of['hour']),
          1 + ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(of['weekday']!),
          Number(of['day']),
          Number(of['month']),
        ];
        expect(partsOf(new Date(instant).toISOString(), { timeZone }), String(instant)).toEqual(expected);
        expect(partsOf(String(instant / 1000), { timeZone, format: 'seconds' })).toEqual(expected);
      }
    },
  );

  it('may be a timestamp since 1970', () => {
    for (const [cell, format] of [
      ['1793529000', 'seconds'],
      ['1793529000.75', 'seconds'],
      ['1793529000000', 'milliseconds'],
      ['1.793529e12', 'milliseconds'],
    ] as const) {
      expect(partsOf(cell, { format })).toEqual(partsOf('2026-11-01T10:30:00Z'));
    }
    expect(partsOf('0', { format: 'milliseconds' })).toEqual([1, 4, 1, 1]);
  });

  it.each([
    ['2026-02-29', {}, 'an existing date and time', undefined],
    ['2026-13-01', {}, 'an existing date and time', undefined],
    ['2026-11-01T24:00', {}, 'an existing date and time', undefined],
    ['2026-11-01T10:60', {}, 'an existing date and time', undefined],
    ['01.11.2026', {}, /^a date such as 2026-11-30, or/, undefined],
    ['2026-11-1', {}, /^a date such as 2026-11-30, or/, undefined],
    ['infinity', {}, /^a date such as 2026-11-30, or/, undefined],
    ['1793529000', {}, /^a date such as 2026-11-30, or/, /set format: seconds/],
    ['1793529000000', {}, /^a date such as 2026-11-30, or/, /set format: milliseconds/],
    ['2026-11-01', { format: 'seconds' }, 'a number of seconds since 1970', /remove format/],
    ['1793529000000', { format: 'seconds' }, 'seconds since 1970', /set format: milliseconds/],
    ['1793529000', { format: 'milliseconds' }, 'milliseconds since 1970', /set format: seconds/],
    ['1e30', { format: 'milliseconds' }, 'an existing date and time', undefined],
  ])('as %j is rejected with a fix: %j', (cell, spec, expected, cure) => {
    let found: unknown;
    try {
      partsOf(cell, spec);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(BadValue);
    const bad = found as BadValue;
    expect(bad.expected).toMatch(expected);
    if (cure === undefined) expect(bad.cure).toBeUndefined();
    else expect(bad.cure).toMatch(cure);
  });

  it('that is missing may have its own row, or be an error', () => {
    const part = (missing: string) =>
      fieldOf({ type: 'date', parts: ['month'], fillMissing: missing }).encoder(undefined);
    expect([part('token').encode(''), part('token').rows, part('unknown').encode('')]).toEqual([13, 14, 0]);
    expect(() => part('error').encode('')).toThrow(/a value/);
  });

  it('with an unknown zone or a repeated part is rejected in the config', () => {
    expect(() => featureTypes.schema.parse({ type: 'date', fields: ['at'], timeZone: 'Mars/Olympus' })).toThrow(
      /a time zone, such as UTC, Europe\/Berlin/,
    );
    expect(() => featureTypes.schema.parse({ type: 'date', fields: ['at'], parts: ['hour', 'hour'] })).toThrow(
      /hour is listed twice; remove one/,
    );
  });

  it('has another meaning in another zone', () => {
    const [utc, berlin] = ['UTC', 'Europe/Berlin'].map((timeZone) => fieldOf({ type: 'date', timeZone }));
    expect(utc!.meaning).not.toBe(berlin!.meaning);
  });
});
