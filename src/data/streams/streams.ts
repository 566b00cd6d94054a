import { kafka } from './kafka.js';
import { nats } from './nats.js';
import type { RecordSource } from './record-stream.js';

/** All kinds of record streams: one file and one line each. */
export const RECORD_SOURCES: readonly RecordSource[] = [kafka, nats];
