import type { Admin } from '@platformatic/kafka';
import { z } from 'zod';
import { userError } from '../../core/errors.js';
import { asKafkaError, isUnknownTopic, permanentProblem, rootMessage } from './kafka-errors.js';
import { KafkaStream } from './kafka-stream.js';
import { passwordVariable } from '../../core/url-password.js';
import type { RecordSource } from './record-stream.js';
import { durationOption, loadPackages, parseStreamUrl, readTlsFiles, tlsShape, unknownLog } from './stream-url.js';

const PACKAGE = '@platformatic/kafka@^1.35';
const PASSWORD = passwordVariable('kafka');
const FORM = 'kafka://HOST:9092,HOST:9092/TOPIC';

const urlOptions = z.strictObject({
  wait: durationOption.default(5000),
  sasl: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'expected plain, scram-sha-256 or scram-sha-512')
    .optional(),
  ...tlsShape,
});

/** Topics of Apache Kafka, or of brokers with its protocol: one JSON object per record. */
export const kafka: RecordSource = {
  matches: (path) => path.startsWith('kafka://'),
  async open(path) {
    const { name, user, servers, log: topic, options } = parseStreamUrl(path, FORM, urlOptions);
    const tls = readTlsFiles(options);
    const sasl = options.sasl && {
      mechanism: options.sasl.toUpperCase() as 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
      ...credentials(name, user),
    };
    const { Admin, Consumer } = await loadPackages([PACKAGE], () => import('@platformatic/kafka'));
    const client = {
      clientId: 'mtl',
      bootstrapBrokers: servers.map((server) => (server.includes(':') ? server : `${server}:9092`)),
      retries: 0,
      ...(tls && { tls }),
      ...(sasl && { sasl }),
    };
    // The client requires the name of a group, but reads of given offsets join none.
    const consumer = new Consumer({ ...client, groupId: 'mtl' });
    try {
      await consumer.metadata({ topics: [topic] });
    } catch (error) {
      await consumer.close();
      throw await openError(name, topic, error, () => new Admin(client));
    }
    return new KafkaStream(name, topic, options.wait, consumer);
  },
};

/** Returns the error for a topic that cannot be opened. */
async function openError(name: string, topic: string, error: unknown, connect: () => Admin): Promise<unknown> {
  const failure = asKafkaError(error);
  if (failure === undefined) return error;
  if (!isUnknownTopic(failure)) {
    const unreachable = {
      message: `cannot be reached (${rootMessage(failure)})`,
      fix: 'check the address of data.train',
    };
    return userError('data', { where: name, ...(permanentProblem(failure) ?? unreachable) }, error);
  }
  const admin = connect();
  const topics = await admin.listTopics();
  await admin.close();
  const problem = unknownLog('topic', topic, topics, 'the brokers have none');
  return userError('data', { where: name, ...problem }, error);
}

function credentials(name: string, user: string | undefined): { readonly username: string; readonly password: string } {
  const password = process.env[PASSWORD];
  if (user === undefined || password === undefined)
    throw userError('config', {
      key: 'data.train',
      where: name,
      message: `sasl requires a user and a password; found no ${user === undefined ? 'user' : PASSWORD}`,
      fix: `write kafka://USER@HOST:9092/TOPIC, and set ${PASSWORD} in the environment`,
    });
  return { username: user, password };
}
