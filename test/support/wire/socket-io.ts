/** Packets of engine.io (protocol 4) and socket.io (protocol 5), with their binary attachments put back in place. */
import { z } from 'zod';

/** What a packet of socket.io is for. */
export type SocketIoType = 'connect' | 'disconnect' | 'event' | 'ack' | 'connect-error';

/** One packet of socket.io. */
export interface SocketIoPacket {
  readonly type: SocketIoType;
  readonly namespace: string;
  /** Of an event that wants an acknowledgement, and of that acknowledgement. */
  readonly id: number | undefined;
  /** Name of the event, or undefined. */
  readonly event: string | undefined;
  /** Arguments (after the name of an event), binary as Buffer. */
  readonly data: readonly unknown[];
}

/** Packet types by their digit; 5 and 6 are an event and an acknowledgement with attachments. */
const types: Readonly<Record<string, SocketIoType>> = {
  '0': 'connect',
  '1': 'disconnect',
  '2': 'event',
  '3': 'ack',
  '4': 'connect-error',
  '5': 'event',
  '6': 'ack',
};

const placeholderSchema = z.object({ _placeholder: z.literal(true), num: z.number().int() });

function fillPlaceholders(value: unknown, attachments: readonly Buffer[]): unknown {
  const placeholder = placeholderSchema.safeParse(value);
  if (placeholder.success) return attachments[placeholder.data.num];
  if (Array.isArray(value)) return value.map((item) => fillPlaceholders(item, attachments));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, fillPlaceholders(item, attachments)]),
  );
}

const packetPattern = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*),)?(\d+)?(.*)$/s;

/** A packet whose text has come; its attachments may still be on their way. */
interface WaitingPacket {
  readonly match: RegExpExecArray;
  readonly attachments: Buffer[];
}

/** Put packets of one direction together from engine.io's messages. */
export class SocketIoAssembler {
  readonly #onPacket: (packet: SocketIoPacket) => void;
  readonly #onBegun: (packet: SocketIoPacket) => void;
  #waiting: WaitingPacket | undefined;

  /** @param onBegun - called with every packet that attachments follow, before they have come */
  constructor(
    onPacket: (packet: SocketIoPacket) => void,
    onBegun: (packet: SocketIoPacket) => void = () => undefined,
  ) {
    this.#onPacket = onPacket;
    this.#onBegun = onBegun;
  }

  /** Take one engine.io packet in text; all but messages (type 4) are left aside. */
  pushText(text: string): void {
    if (!text.startsWith('4')) return;
    const match = packetPattern.exec(text.slice(1));
    if (match === null) throw new Error('socket.io: expected a packet, got other text');
    this.#waiting = { match, attachments: [] };
    const begun = match[2] === undefined ? undefined : packetOf(this.#waiting);
    if (begun !== undefined) this.#onBegun(begun);
    this.#finishIfWhole();
  }

  /** Take one binary message: the next attachment. */
  pushBinary(bytes: Buffer): void {
    this.#waiting?.attachments.push(bytes);
    this.#finishIfWhole();
  }

  #finishIfWhole(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.attachments.length < Number(waiting.match[2] ?? '0'))
      return;
    this.#waiting = undefined;
    const packet = packetOf(waiting);
    if (packet !== undefined) this.#onPacket(packet);
  }
}

/** Parse a packet; attachments that have not come are undefined in it. */
function packetOf({ match, attachments }: WaitingPacket): SocketIoPacket | undefined {
  const [, digit = '', , namespace = '/', id, json = ''] = match;
  const type = types[digit];
  if (type === undefined) return undefined;
  const parsed: unknown = json === '' ? [] : fillPlaceholders(JSON.parse(json), attachments);
  const items: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  const [first, ...rest] = items;
  const isNamed = type === 'event' && typeof first === 'string';
  return {
    type,
    namespace,
    id: id === undefined ? undefined : Number(id),
    event: isNamed ? first : undefined,
    data: isNamed ? rest : items,
  };
}

/** Engine.io packets of one long-polling body: separated by 0x1e, binary as `b` and base64. */
export function splitPollingBody(body: Buffer): (string | Buffer)[] {
  return body
    .toString('utf8')
    .split('\x1e')
    .filter((packet) => packet !== '')
    .map((packet) => (packet.startsWith('b') ? Buffer.from(packet.slice(1), 'base64') : packet));
}
