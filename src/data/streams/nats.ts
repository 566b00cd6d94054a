import type { Consumer, ConsumerMessages, JsMsg, StreamInfo } from '@nats-io/jetstream';
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { quoted, UserError, userError } from '../../core/errors.js';
import { passwordVariable } from '../../core/url-password.js';
import { jsonLine, joinLines } from './json-line.js';
import { orAborted, Outage } from './outage.js';
import type { RecordPiece, RecordSource, RecordStream, StreamLag, StreamReading } from './record-stream.js';
import { loadPackages, parseStreamUrl, readTlsFiles, readUrlFile, tlsShape, unknownLog } from './stream-url.js';

const PACKAGES = ['@nats-io/jetstream@3', '@nats-io/transport-node@3'];
const [PASSWORD, TOKEN] = [passwordVariable('nats'), 'MTL_NATS_TOKEN'] as const;
const FORM = 'nats://HOST:4222,HOST:4222/STREAM';
/** Maximum number of messages of a request, and bytes of a piece, unless a single message is longer. */
const [FETCH_MESSAGES, PIECE_BYTES] = [1000, 1 << 18];
/** Time that a request waits for messages. */
const FETCH_MS = 5000;
/** A connection without an answer for two intervals is lost. */
const PING_MS = 10_000;

const urlOptions = z.strictObject({
  subject: z.string().min(1).optional(),
  creds: z.string().min(1).optional(),
  ...tlsShape,
});

/** The last message that was read, and the creation time of its stream. */
const cursorSchema = z.strictObject({ stream: z.string(), created: z.string(), sequence: z.int().min(0) });
type NatsCursor = z.output<typeof cursorSchema>;

type Jetstream = typeof import('@nats-io/jetstream');

/** Streams of NATS JetStream: one JSON object per message, in the order of their sequence numbers. */
export const nats: RecordSource = {
  matches: (path) => path.startsWith('nats://'),
  async open(path) {
    const { name, user, servers, log, options } = parseStreamUrl(path, FORM, urlOptions);
    const tls = readTlsFiles(options);
    const [transport, jetstream] = await loadPackages(PACKAGES, () =>
      Promise.all([import('@nats-io/transport-node'), import('@nats-io/jetstream')]),
    );
    const { [PASSWORD]: pass, [TOKEN]: token } = process.env;
    const connection: ConnectionOptions = {
      name: 'mtl',
      servers: [...servers],
      // A lost connection fails the request, and the read connects again.
      reconnect: false,
      pingInterval: PING_MS,
      ...(user !== undefined && { user, pass: pass ?? '' }),
      ...(token !== undefined && { token }),
      ...(options.creds !== undefined && { authenticator: transport.credsAuthenticator(readUrlFile(options.creds)) }),
      ...(tls && { tls }),
    };
    const stream = new NatsStream(name, log, options.subject, jetstream, () => transport.connect(connection));
    try {
      await stream.connect();
    } catch (error) {
      await stream.close();
      if (error instanceof UserError) throw error;
      const reason = reasonOf(error);
      const problem = reason.startsWith('no responders')
        ? { message: 'the server has no JetStream', fix: 'start it with -js' }
        : {
            message: `cannot be reached (${reason})`,
            fix: `check the address of data.train, the user, ${PASSWORD} and ${TOKEN}`,
          };
      throw userError('data', { where: name, ...problem }, error);
    }
    return stream;
  },
};

/** A consumer from a position of the stream. */
interface Session {
  readonly consumer: Consumer;
  readonly created: string;
  /** Sequence number before the first message to read. */
  readonly after: number;
  /** Sequence number of the last message when the session began. */
  readonly last: number;
  /** Rejects when the connection is lost. */
  readonly lost: Promise<never>;
  /** Number of messages after the one that was received last. */
  numLeft: number;
  /** The answer to the present request. */
  messages: { readonly queue: ConsumerMessages; readonly iterator: AsyncIterator<JsMsg> } | undefined;
}

class NatsStream implements RecordStream {
  #connection: NatsConnection | undefined;
  #session: Session | undefined;
  /** The position before the first message when the stream was read first. */
  #first: Pick<NatsCursor, 'sequence' | 'created'> | undefined;

  /** @param subject filter of messages; default: all of the stream */
  constructor(
    readonly name: string,
    private readonly stream: string,
    private readonly subject: string | undefined,
    private readonly jetstream: Jetstream,
    private readonly dial: () => Promise<NatsConnection>,
  ) {}

  /** Connects, unless there is a connection, and checks the stream. */
  async connect(): Promise<{ readonly connection: NatsConnection; readonly info: StreamInfo }> {
    if (this.#connection?.isClosed() !== false) this.#connection = await this.dial();
    const manager = await this.jetstream.jetstreamManager(this.#connection);
    const { JetStreamApiError, JetStreamApiCodes } = this.jetstream;
    try {
      const info = await manager.streams.info(this.stream);
      if (info.config.retention === 'limits') return { connection: this.#connection, info };
    } catch (error) {
      if (!(error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)) throw error;
      const names = await manager.streams.names().next();
      const problem = unknownLog('stream', this.stream, names, 'the server has none');
      throw userError('data', { where: this.name, ...problem }, error);
    }
    const message = 'the server deletes messages that a consumer acknowledges, so that no run could read them again';
    throw this.#error(message, 'read a stream with the retention policy limits');
  }

  async *read(reading: StreamReading): AsyncGenerator<RecordPiece> {
    const { signal, endsWhenEmpty, from } = reading;
    const outage = new Outage(this.name, reading);
    const cursor = from === undefined ? undefined : this.#parseCursor(from);
    let { sequence, created } = cursor ?? this.#first ?? {};
    let end = Infinity;
    this.#endSession();
    for (;;) {
      let messages: readonly JsMsg[];
      try {
        const session = (this.#session ??= await orAborted(this.#begin(sequence, created), signal));
        outage.end();
        ({ created } = session);
        sequence ??= session.after;
        if (endsWhenEmpty && end === Infinity) end = session.last;
        if (endsWhenEmpty && (sequence >= end || session.numLeft === 0)) return;
        messages = (await orAborted(receive(session), signal)).filter(({ seq }) => seq <= end);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof UserError) throw error;
        await this.#disconnect();
        await outage.wait(reasonOf(error));
        continue;
      }
      if (messages.length > 0) yield this.#pieceOf(messages, sequence, created);
      sequence = messages.at(-1)?.seq ?? sequence;
    }
  }

  async lag(): Promise<StreamLag | undefined> {
    if (this.#session === undefined) return undefined;
    const { consumer, messages } = this.#session;
    const { num_pending: numPending } = await consumer.info();
    return { amount: numPending + (messages?.queue.getPending() ?? 0), unit: 'records' };
  }

  async close(): Promise<void> {
    await this.#disconnect();
  }

  #parseCursor(from: unknown): NatsCursor {
    const { success, data } = cursorSchema.safeParse(from);
    if (success && data.stream === this.stream) return data;
    const message = `the position is not of this stream: ${quoted(from)}`;
    throw this.#error(message, 'start a new run, or restore data.train');
  }

  /** Creates a consumer after a message. */
  async #begin(sequence: number | undefined, created: string | undefined): Promise<Session> {
    const { connection, info } = await this.connect();
    const { first_seq: first, last_seq: last } = info.state;
    const after = sequence ?? Math.max(0, first - 1);
    if (sequence === undefined) this.#first = { sequence: after, created: info.created };
    if (after > last || (created !== undefined && created !== info.created))
      throw this.#error('the stream was deleted and created again since the run began', 'start a new run');
    if (first > after + 1) {
      const message = `messages ${after + 1} to ${first - 1} were deleted before the run read them`;
      throw this.#error(message, 'raise max_age, max_msgs or max_bytes of the stream, and start a new run');
    }
    // An ordered consumer has no state on the server, and receives each message once, in order.
    const consumer = await this.jetstream.jetstream(connection).consumers.get(this.stream, {
      deliver_policy: 'by_start_sequence',
      opt_start_seq: after + 1,
      ...(this.subject !== undefined && { filter_subjects: this.subject }),
    });
    const lost = connection.closed().then((error) => {
      throw error ?? new Error('the server closed the connection');
    });
    // The request that awaits it receives the error.
    lost.catch(() => undefined);
    const { num_pending: numLeft } = await consumer.info();
    return { consumer, created: info.created, after, last, lost, numLeft, messages: undefined };
  }

  #pieceOf(messages: readonly JsMsg[], before: number, created: string): RecordPiece {
    const { stream } = this;
    return {
      bytes: joinLines(messages.map(({ data }) => jsonLine(data))),
      cursorAfter: (count): NatsCursor => ({ stream, created, sequence: messages[count - 1]?.seq ?? before }),
      placeOf: (line) => ({ path: this.name, line: messages[line]!.seq }),
    };
  }

  /** Ends the present request: its timers would keep the process alive. */
  #endSession(): void {
    this.#session?.messages?.queue.stop();
    this.#session = undefined;
  }

  async #disconnect(): Promise<void> {
    this.#endSession();
    await this.#connection?.close().catch(() => undefined);
  }

  #error(message: string, fix: string): UserError {
    return userError('data', { where: this.name, message, fix });
  }
}

/** Receives messages: at least one unless a request ends without any, and no more than are there at present. */
async function receive(session: Session): Promise<readonly JsMsg[]> {
  const { consumer, lost } = session;
  if (session.messages === undefined) {
    const queue = await consumer.fetch({ max_messages: FETCH_MESSAGES, expires: FETCH_MS });
    session.messages = { queue, iterator: queue[Symbol.asyncIterator]() };
  }
  const received: JsMsg[] = [];
  for (let numBytes = 0; numBytes < PIECE_BYTES;) {
    const next = await Promise.race([session.messages.iterator.next(), lost]);
    if (next.done === true) {
      session.messages = undefined;
      // Messages that were counted may have been deleted.
      if (received.length === 0) session.numLeft = (await consumer.info()).num_pending;
      break;
    }
    received.push(next.value);
    numBytes += next.value.data.length;
    session.numLeft = next.value.info.pending;
    if (session.numLeft === 0) break;
  }
  return received;
}

/** Returns the message of an error, or the message of its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
