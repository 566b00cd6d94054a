import { ByteFile } from './byte-file.js';
import { DELAY_FIELDS, type DelayedClick } from './delays.js';

const FIELDS = Object.keys(DELAY_FIELDS) as readonly (keyof typeof DELAY_FIELDS)[];
const HEADER = ['click_time', 'buy_time', 'buy', 'day', ...FIELDS, 'probability'];
/** Maximum bytes of a line. */
const LINE_BYTES = 256;
const [COMMA, LINE_END] = [44, 10] as const;

/** Writer of a log with delayed conversions. */
export interface DelayFile {
  write(click: DelayedClick): void;
  close(): void;
}

/** Creates a CSV. Times are seconds since 1970; `buy_time` is empty without a conversion in the window. */
export function createDelayFile(path: string): DelayFile {
  const file = new ByteFile(path);
  file.text(`${HEADER.join(',')}\n`);
  return {
    write({ ids, time, day, eventTime, probability }) {
      file.reserve(LINE_BYTES);
      file.whole(time);
      file.byte(COMMA);
      if (eventTime !== undefined) file.whole(eventTime);
      for (const value of [eventTime === undefined ? 0 : 1, day, ...FIELDS.map((field) => ids[field])]) {
        file.byte(COMMA);
        file.whole(value);
      }
      file.byte(COMMA);
      file.tenThousandths(Math.round(10_000 * probability));
      file.byte(LINE_END);
    },
    close: () => file.close(),
  };
}
