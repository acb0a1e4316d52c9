/**
 * Hears every file that goes over the line and counts what is sent again, by the connection that it is sent on.
 *
 * A range counts as sent as soon as its message begins, by long polling once it is whole: a cut costs no more than what stands here.
 */
import { z } from 'zod';
import { limits, siteCommands } from '#core/protocol';
import type { ProxyDirection, ProxyListener } from '../support/fault-proxy.ts';
import { ConnectionDecoder, type Sessions } from '../support/wire/decoder.ts';
import type { SocketIoPacket } from '../support/wire/socket-io.ts';

/** Bytes that may be on their way, and so lost, in one file and one direction when a connection breaks. */
export const windowBytes = limits.rangesUnderWayMax * limits.rangeBytes;

/** What the files of one direction cost. */
export interface TransferCosts {
  files: number;
  /** Bytes of the files themselves. */
  bytes: number;
  /** Bytes beyond them. */
  resentBytes: number;
  /** The most bytes of one file that one broken connection made to be sent again. */
  worstResentBytes: number;
}

/** What all files cost, by direction: up are updates, down are versions. */
export type Costs = Readonly<Record<ProxyDirection, TransferCosts>>;

interface Session {
  site: string | undefined;
  /** Where among all connections it began. */
  readonly number: number;
  readonly asked: Map<number, { readonly event: string; readonly request: unknown }>;
  /** Ranges of each file that are not acknowledged. */
  readonly underWay: Map<string, Set<number>>;
}

interface SentFile {
  /** The session in which a range was sent last, by its index. */
  readonly sentIn: Map<number, Session>;
  /** Sessions begun when a range was acknowledged. */
  readonly acknowledgedAt: Map<number, number>;
  /** Bytes sent again, by the session that sent them. */
  readonly resent: Map<Session, number>;
}

const authSchema = z.object({ site: z.string() });
const okSchema = z.object({ ok: z.literal(true) });
/** A request whose bytes have not come yet. */
const begunRangeSchema = z.object({ uploadId: z.string(), index: z.number().int() });

const noCosts = (): TransferCosts => ({
  ...{ files: 0, bytes: 0, resentBytes: 0, worstResentBytes: 0 },
});

/** Hears every connection of the sites. */
export class Transfers {
  /** Ranges whose sending has begun so far, by direction. */
  readonly begun: Record<ProxyDirection, number> = { up: 0, down: 0 };
  /** Connections of sites that were let in so far. */
  connections = 0;
  readonly #onViolation: (what: string) => void;
  readonly #wire: Sessions = new Map();
  readonly #sessions = new Map<string, Session>();
  /** Bytes of each upload, as its beginning says. */
  readonly #uploadBytes = new Map<string, number>();
  #files: Record<ProxyDirection, Map<string, SentFile>> = { up: new Map(), down: new Map() };
  #costs: Record<ProxyDirection, TransferCosts> = { up: noCosts(), down: noCosts() };
  #sessionsBegun = 0;

  constructor(onViolation: (what: string) => void) {
    this.#onViolation = onViolation;
  }

  /** Make the listener of one connection of the proxy. */
  listen(connection: number): ProxyListener {
    const decoder = new ConnectionDecoder({
      name: `connection-${connection}`,
      sessions: this.#wire,
      listener: {
        onPayload: () => undefined,
        onPacket: (direction, packet, session) => this.#hear(direction, packet, session),
        onPacketBegun: (direction, packet, session) => this.#begin(direction, packet, session),
      },
    });
    let isBroken = false;
    return {
      take: (direction, bytes) => {
        if (isBroken) return;
        try {
          decoder.push(direction, bytes);
        } catch (error) {
          isBroken = true;
          this.#onViolation(`bytes went by that could not be understood: ${String(error)}`);
        }
      },
      end: () => {
        for (const direction of ['up', 'down'])
          this.#wire.delete(`connection-${connection}/${direction}`);
        this.#sessions.delete(`connection-${connection}`);
      },
    };
  }

  /** What was sent since the last call; files under way then would count as new ones. */
  take(): Costs {
    const costs = this.#costs;
    this.#files = { up: new Map(), down: new Map() };
    this.#costs = { up: noCosts(), down: noCosts() };
    this.#uploadBytes.clear();
    return costs;
  }

  #session(name: string): Session {
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    this.#sessionsBegun += 1;
    const number = this.#sessionsBegun;
    const made: Session = { site: undefined, number, asked: new Map(), underWay: new Map() };
    this.#sessions.set(name, made);
    return made;
  }

  #begin(direction: ProxyDirection, packet: SocketIoPacket, name: string): void {
    const session = this.#session(name);
    const { type, event, id, data } = packet;
    if (direction === 'up' && event === 'upload:range') {
      const { uploadId, index } = begunRangeSchema.parse(data[0]);
      const bytes = this.#uploadBytes.get(uploadId) ?? 0;
      const length = Math.min(limits.rangeBytes, bytes - index * limits.rangeBytes);
      this.#sent({ direction, file: uploadId, index, length, session });
      this.#underWay(session, uploadId, index);
    }
    const asked = id === undefined ? undefined : session.asked.get(id);
    if (direction === 'down' && type === 'ack' && asked?.event === 'blob:get') {
      const { digest, offset, length } = siteCommands['blob:get'].request.parse(asked.request);
      const file = `${digest} at ${session.site ?? 'no site'}`;
      this.#sent({ direction, file, index: offset / limits.rangeBytes, length, session });
    }
  }

  #hear(direction: ProxyDirection, packet: SocketIoPacket, name: string): void {
    const session = this.#session(name);
    const { type, event, id, data } = packet;
    if (type === 'connect') this.#connected(direction, data, session);
    if (direction === 'up' && event !== undefined && id !== undefined) {
      session.asked.set(id, { event, request: data[0] });
      if (event === 'upload:begin') {
        const { uploadId, bytes } = siteCommands['upload:begin'].request.parse(data[0]);
        this.#uploadBytes.set(uploadId, bytes);
      }
      if (event === 'blob:get') {
        const { digest, offset } = siteCommands['blob:get'].request.parse(data[0]);
        this.#underWay(session, digest, offset / limits.rangeBytes);
      }
    }
    if (direction === 'down' && type === 'ack' && id !== undefined)
      this.#answered(session, id, okSchema.safeParse(data[0]).success);
  }

  #answered(session: Session, id: number, isGranted: boolean): void {
    const asked = session.asked.get(id);
    session.asked.delete(id);
    if (asked?.event === 'blob:get') {
      const { digest, offset } = siteCommands['blob:get'].request.parse(asked.request);
      session.underWay.get(digest)?.delete(offset / limits.rangeBytes);
    }
    if (asked?.event !== 'upload:range') return;
    const { uploadId, index } = siteCommands['upload:range'].request.parse(asked.request);
    session.underWay.get(uploadId)?.delete(index);
    if (isGranted) this.#files.up.get(uploadId)?.acknowledgedAt.set(index, this.#sessionsBegun);
  }

  /** What is under way and not acknowledged is what a cut may cost: it has its limit before any cut. */
  #underWay(session: Session, file: string, index: number): void {
    const ranges = session.underWay.get(file) ?? new Set<number>();
    session.underWay.set(file, ranges.add(index));
    if (ranges.size > limits.rangesUnderWayMax)
      this.#onViolation(`${ranges.size} ranges of one file under way on one connection`);
  }

  #connected(direction: ProxyDirection, data: readonly unknown[], session: Session): void {
    if (direction === 'up') session.site = authSchema.safeParse(data[0]).data?.site;
    else this.connections += 1;
  }

  #sent(range: {
    readonly direction: ProxyDirection;
    readonly file: string;
    readonly index: number;
    readonly length: number;
    readonly session: Session;
  }): void {
    const { direction, index, length, session } = range;
    this.begun[direction] += 1;
    const costs = this.#costs[direction];
    const file = this.#file(range);
    const before = file.sentIn.get(index);
    file.sentIn.set(index, session);
    if (before === undefined) {
      costs.bytes += length;
      return;
    }
    const what = `range ${index} of ${direction} ${range.file} on connection ${session.number}`;
    const acknowledgedAt = file.acknowledgedAt.get(index);
    if (before === session) this.#onViolation(`sent twice on one connection: ${what}`);
    else if (acknowledgedAt !== undefined && acknowledgedAt < session.number)
      this.#onViolation(`sent again although it had been acknowledged before: ${what}`);
    const resent = (file.resent.get(session) ?? 0) + length;
    file.resent.set(session, resent);
    costs.resentBytes += length;
    costs.worstResentBytes = Math.max(costs.worstResentBytes, resent);
    if (resent > windowBytes && resent - length <= windowBytes)
      this.#onViolation(`more than ${windowBytes} bytes sent again after one cut: ${what}`);
  }

  #file({ direction, file }: { direction: ProxyDirection; file: string }): SentFile {
    const known = this.#files[direction].get(file);
    if (known !== undefined) return known;
    const made: SentFile = { sentIn: new Map(), acknowledgedAt: new Map(), resent: new Map() };
    this.#files[direction].set(file, made);
    this.#costs[direction].files += 1;
    return made;
  }
}
