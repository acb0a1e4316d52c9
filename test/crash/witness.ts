/**
 * Hears what the coordinator acknowledges, from between it and the agents, and remembers nothing else.
 *
 * It shares no code with either side but the schemas: what it heard is what they must stand by afterwards.
 */
import { z } from 'zod';
import { signDomains, envelopeDigest } from '#core/crypto';
import {
  decodePayload,
  limits,
  manifestSchema,
  roundResultSchema,
  siteCommands,
  type Manifest,
  type MemberStatus,
} from '#core/protocol';
import { WireTap, type TappedPacket } from '../support/wire-tap.ts';
import type { Violations } from './violations.ts';

/** One sealed update as it went by. */
export interface WitnessedUpload {
  readonly uploadId: string;
  readonly manifest: Manifest;
  readonly ranges: Map<number, Buffer>;
  readonly acknowledged: Set<number>;
  /** What the coordinator said of it at its commit; null where it never said that it has it. */
  committed: MemberStatus | null;
}

const authSchema = z.object({ site: z.string() });
const okSchema = z.object({ ok: z.literal(true) });

interface Asked {
  readonly event: string;
  readonly request: unknown;
}

/** What is remembered of one connection. */
interface Session {
  site: string | undefined;
  readonly asked: Map<number, Asked>;
}

/** Hears every connection of the agents. */
export class Witness {
  /** By the update's digest. */
  readonly uploads = new Map<string, WitnessedUpload>();
  /** Digests of signed results that sites were given, by task and version. */
  readonly results = new Map<string, string>();
  /** When each site was last let in: milliseconds of the monotonic clock. */
  readonly connectedAtMs = new Map<string, number>();
  #acknowledgements = 0;
  readonly #tap: WireTap;
  readonly #violations: Violations;
  readonly #sessions = new Map<string, Session>();

  private constructor(tap: WireTap, violations: Violations) {
    this.#tap = tap;
    this.#violations = violations;
    tap.onPacket = (packet) => {
      this.#hear(packet);
      return 'forward';
    };
  }

  /** Listen in front of a coordinator. */
  static async open(port: number, violations: Violations): Promise<Witness> {
    return new Witness(await WireTap.open(port, { isForgetful: true }), violations);
  }

  /** Where the agents reach the coordinator. */
  get url(): string {
    return this.#tap.url;
  }

  /** Ranges and commits that were acknowledged so far. */
  get acknowledgements(): number {
    return this.#acknowledgements;
  }

  /** Stop listening; what could not be decoded is a violation, since it was not witnessed. */
  async close(): Promise<void> {
    await this.#tap.close();
    for (const error of this.#tap.decodeErrors)
      this.#violations.add('not-witnessed', error.message);
  }

  #session(name: string): Session {
    const known = this.#sessions.get(name) ?? { site: undefined, asked: new Map<number, Asked>() };
    this.#sessions.set(name, known);
    return known;
  }

  #hear(packet: TappedPacket): void {
    const session = this.#session(packet.session);
    const { type, direction, id } = packet;
    if (type === 'connect') this.#connect(packet, session);
    if (type === 'disconnect') this.#sessions.delete(packet.session);
    if (type === 'event' && direction === 'up' && packet.event !== undefined) {
      const asked = { event: packet.event, request: packet.data[0] };
      if (id !== undefined) session.asked.set(id, asked);
      this.#asked(asked);
    }
    if (type !== 'ack' || direction !== 'down' || id === undefined) return;
    const asked = session.asked.get(id);
    session.asked.delete(id);
    if (asked !== undefined && okSchema.safeParse(packet.data[0]).success)
      this.#granted(asked, packet.data[0]);
  }

  #connect({ direction, data }: TappedPacket, session: Session): void {
    if (direction === 'up') session.site = authSchema.safeParse(data[0]).data?.site;
    else if (session.site !== undefined) this.connectedAtMs.set(session.site, performance.now());
  }

  #asked({ event, request }: Asked): void {
    if (event === 'upload:begin') this.#begun(request);
    if (event !== 'upload:range') return;
    const range = siteCommands['upload:range'].request.parse(request);
    const upload = this.uploads.get(range.uploadId);
    if (upload?.acknowledged.has(range.index) === true)
      this.#violations.add('sent-again', `${named(upload)} range ${range.index}`);
    upload?.ranges.set(range.index, Buffer.from(range.bytes));
  }

  #begun(request: unknown): void {
    const { uploadId, manifest: envelope } = siteCommands['upload:begin'].request.parse(request);
    if (this.uploads.has(uploadId)) return;
    const manifest = decodePayload(manifestSchema, envelope.payload, 'manifest');
    const upload: WitnessedUpload = {
      ...{ uploadId, manifest, committed: null },
      ranges: new Map(),
      acknowledged: new Set(),
    };
    const twin = [...this.uploads.values()].find((each) => isSameAttempt(each, upload));
    if (twin !== undefined)
      this.#violations.add('sealed-twice', `${named(upload)} and ${twin.uploadId.slice(0, 8)}`);
    this.uploads.set(uploadId, upload);
  }

  #granted({ event, request }: Asked, answer: unknown): void {
    if (event === 'upload:range') {
      const { uploadId, index } = siteCommands['upload:range'].request.parse(request);
      this.uploads.get(uploadId)?.acknowledged.add(index);
      this.#acknowledgements += 1;
    }
    if (event === 'upload:commit') {
      const { uploadId } = siteCommands['upload:commit'].request.parse(request);
      const { status } = siteCommands['upload:commit'].response.parse(answer);
      const upload = this.uploads.get(uploadId);
      if (upload !== undefined) upload.committed = status;
      this.#acknowledgements += 1;
    }
    if (event === 'round:get') this.#toldOf(answer);
  }

  /** Two results for one version would be a fork, whoever they were given to. */
  #toldOf(answer: unknown): void {
    for (const { result } of siteCommands['round:get'].response.parse(answer).results) {
      const { task, version } = decodePayload(roundResultSchema, result.payload, 'result');
      const digest = envelopeDigest(signDomains.roundResult, result.payload);
      const name = `${task}/${version}`;
      const before = this.results.get(name) ?? digest;
      if (before !== digest) this.#violations.add('fork', `${name} was published with two results`);
      this.results.set(name, digest);
    }
  }
}

/** Name an upload in a report. */
export function named({ uploadId, manifest }: WitnessedUpload): string {
  const { task, round, attempt, site } = manifest;
  return `${task} round ${round} attempt ${attempt} of ${site} (${uploadId.slice(0, 8)})`;
}

function isSameAttempt(left: WitnessedUpload, right: WitnessedUpload): boolean {
  return (
    left.manifest.site === right.manifest.site &&
    left.manifest.roundOpenDigest === right.manifest.roundOpenDigest
  );
}

/** The sealed bytes of an upload, put together from its ranges; null where the witness did not hear all of them. */
export function ciphertextOf({ ranges, manifest }: WitnessedUpload): Uint8Array | null {
  const count = Math.ceil(manifest.ciphertextBytes / limits.rangeBytes);
  const parts = Array.from({ length: count }, (_, index) => ranges.get(index));
  if (parts.includes(undefined)) return null;
  return new Uint8Array(Buffer.concat(parts.filter((part) => part !== undefined)));
}
