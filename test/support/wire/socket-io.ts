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

/** Put packets of one direction together from engine.io's messages. */
export class SocketIoAssembler {
  readonly #onPacket: (packet: SocketIoPacket) => void;
  #waiting: { readonly match: RegExpExecArray; readonly attachments: Buffer[] } | undefined;

  constructor(onPacket: (packet: SocketIoPacket) => void) {
    this.#onPacket = onPacket;
  }

  /** Take one engine.io packet in text; all but messages (type 4) are left aside. */
  pushText(text: string): void {
    if (!text.startsWith('4')) return;
    const match = packetPattern.exec(text.slice(1));
    if (match === null) throw new Error('socket.io: expected a packet, got other text');
    this.#waiting = { match, attachments: [] };
    this.#finishIfWhole();
  }

  /** Take one binary message: the next attachment. */
  pushBinary(bytes: Buffer): void {
    this.#waiting?.attachments.push(bytes);
    this.#finishIfWhole();
  }

  #finishIfWhole(): void {
    if (this.#waiting === undefined) return;
    const { match, attachments } = this.#waiting;
    const [, digit = '', count = '0', namespace = '/', id, json = ''] = match;
    if (attachments.length < Number(count)) return;
    this.#waiting = undefined;
    const type = types[digit];
    if (type === undefined) return;
    const parsed: unknown = json === '' ? [] : fillPlaceholders(JSON.parse(json), attachments);
    const items: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
    const [first, ...rest] = items;
    const isNamed = type === 'event' && typeof first === 'string';
    this.#onPacket({
      type,
      namespace,
      id: id === undefined ? undefined : Number(id),
      event: isNamed ? first : undefined,
      data: isNamed ? rest : items,
    });
  }
}

/** Engine.io packets of one long-polling body: separated by 0x1e, binary as `b` and base64. */
export function splitPollingBody(body: Buffer): (string | Buffer)[] {
  return body
    .toString('utf8')
    .split('\x1e')
    .filter((packet) => packet !== '')
    .map((packet) => (packet.startsWith('b') ? Buffer.from(packet.slice(1), 'base64') : packet));
}
