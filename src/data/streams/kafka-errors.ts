import type { GenericError } from '@platformatic/kafka';
import type { Problem } from '../../core/errors.js';

/** Fix of records that are lost. */
export const KEEP_RECORDS = 'raise retention.ms or retention.bytes of the topic, and start a new run';

/** Failures that do not pass, by the `code` or `apiId` of the client's error. */
const PERMANENT: ReadonlyMap<unknown, Problem> = new Map([
  [
    'PLT_KFK_AUTHENTICATION',
    { message: 'the brokers reject the login', fix: 'check the user, MTL_KAFKA_PASSWORD and ?sasl= of the URL' },
  ],
  [
    'TOPIC_AUTHORIZATION_FAILED',
    { message: 'the user may not read the topic', fix: 'grant the user READ and DESCRIBE on the topic' },
  ],
  ['OFFSET_OUT_OF_RANGE', { message: 'records were deleted before the run read them', fix: KEEP_RECORDS }],
  [
    'PLT_KFK_UNSUPPORTED_COMPRESSION',
    {
      message: 'the topic has records with a compression that this Node lacks',
      fix: 'zstd requires Node 22.15 or later; use gzip, snappy or lz4, or another Node',
    },
  ],
]);
/** Requests of the protocol that the brokers lack, or have in other versions only. */
const UNSUPPORTED: ReadonlySet<unknown> = new Set(['PLT_KFK_UNSUPPORTED_API', 'UNSUPPORTED_VERSION']);

/** Returns the error if it is of the Kafka client; any other error is a bug. */
export function asKafkaError(error: unknown): GenericError | undefined {
  const isKafka = error instanceof Error && 'code' in error && String(error.code).startsWith('PLT_KFK_');
  return isKafka ? (error as GenericError) : undefined;
}

/** Returns the problem that an error or one of its causes reports, if another attempt cannot succeed. */
export function permanentProblem(error: unknown): Problem | undefined {
  const chain = listCauses(error);
  const codes = chain.flatMap(({ code, apiId }) => [code, apiId]);
  if (codes.some((code) => UNSUPPORTED.has(code))) {
    // The request is in the message of the client's error, such as `… API ApiVersions(v3)` or `Unsupported API Fetch.`
    const [request = ''] = chain.flatMap(({ message }) => / API (\w+(\(v\d+\))?)/.exec(message)?.[1] ?? []);
    return { message: `the brokers do not support the request ${request}`, fix: 'use Kafka 3.5 or later' };
  }
  return codes.map((code) => PERMANENT.get(code)).find((problem) => problem !== undefined);
}

type ErrorWithCodes = Error & { readonly code?: unknown; readonly apiId?: unknown };

/** Lists an error and its causes, from the outermost. */
function listCauses(error: unknown): readonly ErrorWithCodes[] {
  if (!(error instanceof Error)) return [];
  const causes = [...(error instanceof AggregateError ? (error.errors as readonly unknown[]) : []), error.cause];
  return [error, ...causes.flatMap(listCauses)];
}

/** Returns whether the cluster lacks a topic. */
export function isUnknownTopic(error: GenericError): boolean {
  return error.code === 'PLT_KFK_USER' && error.message.startsWith('Unknown topic');
}

/** Returns the message of the first cause, such as `connect ECONNREFUSED 127.0.0.1:9092`. */
export function rootMessage(error: Error): string {
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  return cause instanceof Error ? rootMessage(cause) : error.message;
}
