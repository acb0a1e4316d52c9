/** One direction of a websocket (RFC 6455): frames unmasked, fragments joined, control frames in between let through. */

/** A whole message, or a control frame. */
export interface WebsocketMessage {
  readonly type: 'text' | 'binary' | 'control';
  readonly bytes: Buffer;
}

const opcodes = { continuation: 0, text: 1, binary: 2 } as const;

interface Frame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes of header and payload. */
  readonly size: number;
}

/** Read the payload's length: 7 bits, or 126 and 16 bits, or 127 and 64 bits (section 5.2). */
function readLength(bytes: Buffer): { length: number; headerBytes: number } | undefined {
  const short = (bytes[1] ?? 0) & 0x7f;
  if (short < 126) return { length: short, headerBytes: 2 };
  if (short === 126)
    return bytes.length < 4 ? undefined : { length: bytes.readUInt16BE(2), headerBytes: 4 };
  if (bytes.length < 10) return undefined;
  return { length: Number(bytes.readBigUInt64BE(2)), headerBytes: 10 };
}

/** Read one frame from the start of `bytes`, or undefined where it is not whole yet. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  if ((first & 0x70) !== 0)
    throw new Error('websocket: expected no extension, got a reserved bit (compression?)');
  const size = readLength(bytes);
  if (size === undefined) return undefined;
  const isMasked = (second & 0x80) !== 0;
  const start = size.headerBytes + (isMasked ? 4 : 0);
  if (bytes.length < start + size.length) return undefined;
  const payload = Buffer.from(bytes.subarray(start, start + size.length));
  if (isMasked) {
    const mask = bytes.subarray(size.headerBytes, start);
    for (let index = 0; index < payload.length; index++) {
      payload[index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
    }
  }
  return {
    isFinal: (first & 0x80) !== 0,
    opcode: first & 0x0f,
    payload,
    size: start + size.length,
  };
}

/** Read one direction. */
export class WebsocketStream {
  readonly #onMessage: (message: WebsocketMessage) => void;
  #pending: Buffer = Buffer.alloc(0);
  #fragments: Buffer[] = [];
  #type: 'text' | 'binary' = 'binary';

  constructor(onMessage: (message: WebsocketMessage) => void) {
    this.#onMessage = onMessage;
  }

  /** Take the next bytes. */
  push(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    for (;;) {
      const frame = readFrame(this.#pending);
      if (frame === undefined) return;
      this.#pending = this.#pending.subarray(frame.size);
      this.#take(frame);
    }
  }

  #take(frame: Frame): void {
    if (frame.opcode >= 8) {
      this.#onMessage({ type: 'control', bytes: frame.payload });
      return;
    }
    if (frame.opcode !== opcodes.continuation) {
      this.#type = frame.opcode === opcodes.text ? 'text' : 'binary';
      this.#fragments = [];
    }
    this.#fragments.push(frame.payload);
    if (frame.isFinal) this.#onMessage({ type: this.#type, bytes: Buffer.concat(this.#fragments) });
  }
}
