import type { GenericError } from '@platformatic/kafka';
import type { Problem } from '../../core/errors.js';

/** Fix of records that are lost. */
export const KEEP_RECORDS = 'raise retention.ms or retention.bytes of the topic, and start a new run';

/** Failures that do not pass, by the property of the client's error that identifies them. */
const PERMANENT: readonly { readonly property: 'code' | 'apiId'; readonly value: string; readonly problem: Problem }[] =
  [
    {
      property: 'code',
      value: 'PLT_KFK_AUTHENTICATION',
      problem: {
        message: 'the brokers reject the login',
        fix: 'check the user, MTL_KAFKA_PASSWORD and ?sasl= of the URL',
      },
    },
    {
      property: 'apiId',
      value: 'TOPIC_AUTHORIZATION_FAILED',
      problem: { message: 'the user may not read the topic', fix: 'grant the user READ and DESCRIBE on the topic' },
    },
    {
      property: 'apiId',
      value: 'OFFSET_OUT_OF_RANGE',
      problem: {
        message: 'records were deleted before the run read them',
        fix: 'raise retention.ms or retention.bytes of the topic, and start a new run',
      },
    },
    {
      property: 'code',
      value: 'PLT_KFK_UNSUPPORTED_COMPRESSION',
      problem: {
        message: 'the topic has records with a compression that this Node lacks',
        fix: 'zstd requires Node 22.15 or later; use gzip, snappy or lz4, or another Node',
      },
    },
    ...(['PLT_KFK_UNSUPPORTED_API', 'PLT_KFK_UNSUPPORTED'] as const).map((value) => ({
      property: 'code' as const,
      value,
      problem: { message: 'the brokers are too old', fix: 'use Kafka 3.5 or later' },
    })),
  ];

/** Returns the error if it is of the Kafka client; any other error is a bug. */
export function asKafkaError(error: unknown): GenericError | undefined {
  const isKafka = error instanceof Error && 'code' in error && String(error.code).startsWith('PLT_KFK_');
  return isKafka ? (error as GenericError) : undefined;
}

/** Returns the problem that an error or one of its causes reports, if another attempt cannot succeed. */
export function permanentProblem(error: Error): Problem | undefined {
  const own = PERMANENT.find(({ property, value }) => property in error && Reflect.get(error, property) === value);
  if (own !== undefined) return own.problem;
  const causes = [...(error instanceof AggregateError ? (error.errors as readonly unknown[]) : []), error.cause];
  for (const cause of causes) {
    const problem = cause instanceof Error ? permanentProblem(cause) : undefined;
    if (problem !== undefined) return problem;
  }
  return undefined;
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
