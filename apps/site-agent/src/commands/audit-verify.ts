/**
 * `melo audit verify`: whether an exported audit log is whole, without any connection: every entry, every link, the signed
 * head at its end, and that a head which a site remembers lies on the chain.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fromHex, toHex } from '#core/bytes';
import {
  auditContentDigest,
  auditGenesis,
  auditLink,
  fingerprint,
  signDomains,
  verifyPayload,
} from '#core/crypto';
import { InputError, MeloError } from '#core/errors';
import {
  auditHeadSchema,
  auditLineSchema,
  auditPayloadSchema,
  decodePayload,
  jsonEnvelopeSchema,
  type AuditHead,
  type AuditLine,
} from '#core/protocol';
import { atPath } from '../common/path-error.ts';

/** What an export that is whole says. */
export interface VerifiedAudit {
  readonly entries: number;
  readonly federation: string;
  /** Of the first and the last entry; null where there is none. */
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  readonly headAtMs: number;
  /** Fingerprint of the key that signed the head, as enrolment codes and `melo agent status` show it. */
  readonly keyFingerprint: string;
  /** Sequence of the head that a site remembers; null where none was given. */
  readonly siteHead: number | null;
}

type JsonEnvelope = ReturnType<typeof jsonEnvelopeSchema.parse>;
type Entry = Extract<AuditLine, { readonly payload: string }>;
type End = Extract<AuditLine, { readonly signingPublicKey: string }>;

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));

function invalid(file: string, line: number, problem: string): InputError {
  return new InputError(
    'AUDIT_INVALID',
    `${file}, line ${line}: ${problem}; export the log again, and where that is no better keep this file as a proof`,
    { line },
  );
}

/** The chain as far as it was read. */
class ChainReader {
  readonly #file: string;
  readonly #wanted: number | null;
  #line = 0;
  #sequence = 0;
  #link: Uint8Array = fromHex(auditGenesis);
  #firstAtMs: number | null = null;
  #lastAtMs: number | null = null;
  #end: End | null = null;
  /** Link at the place that a site remembers. */
  #linkAtWanted: string | null = null;

  constructor(file: string, wanted: number | null) {
    this.#file = file;
    this.#wanted = wanted;
    if (wanted === 0) this.#linkAtWanted = auditGenesis;
  }

  fault(problem: string): InputError {
    return invalid(this.#file, this.#line, problem);
  }

  take(text: string): void {
    this.#line += 1;
    if (this.#end !== null) throw this.fault('expected nothing after the signed head');
    const line = auditLineSchema.safeParse(parseJson(text));
    if (!line.success) throw this.fault('expected an entry or a signed head, it is neither');
    if ('payload' in line.data) this.#takeEntry(line.data);
    else this.#end = line.data;
  }

  #takeEntry(entry: Entry): void {
    const expected = this.#sequence + 1;
    if (entry.sequence !== expected)
      throw this.fault(`expected entry ${expected}, entry ${entry.sequence} stands here`);
    const payload = bytesOf(entry.payload);
    this.#link = auditLink(expected, this.#link, auditContentDigest(payload));
    if (toHex(this.#link) !== entry.linkDigest)
      throw this.fault(`entry ${expected} does not have the digest of its link: it was changed`);
    const { atMs } = this.#parsed(() => decodePayload(auditPayloadSchema, payload, 'entry'));
    this.#firstAtMs ??= atMs;
    this.#lastAtMs = atMs;
    this.#sequence = expected;
    if (expected === this.#wanted) this.#linkAtWanted = entry.linkDigest;
  }

  #parsed<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      throw this.fault(error.message);
    }
  }

  #head(envelope: JsonEnvelope, key: Uint8Array): AuditHead {
    return this.#parsed(() => {
      const signed = { payload: bytesOf(envelope.payload), signature: bytesOf(envelope.signature) };
      const payload = verifyPayload(signDomains.auditHead, signed, key);
      return decodePayload(auditHeadSchema, payload, 'audit head');
    });
  }

  /** Compare the end of the chain with what was signed. */
  finish(keyFingerprint: string | null, siteHead: JsonEnvelope | null): VerifiedAudit {
    if (this.#end === null)
      throw this.fault('expected a signed head as the last line, the file ends before: it was cut');
    const key = fromHex(this.#end.signingPublicKey);
    const found = fingerprint(key);
    if (keyFingerprint !== null && keyFingerprint !== found)
      throw this.fault(`expected a head signed by ${keyFingerprint}, the key is ${found}`);
    const head = this.#head(this.#end.head, key);
    if (head.sequence !== this.#sequence || head.linkDigest !== toHex(this.#link))
      throw this.fault(`expected the chain to end at entry ${head.sequence} as it was signed`);
    return {
      entries: this.#sequence,
      federation: head.federation,
      firstAtMs: this.#firstAtMs,
      lastAtMs: this.#lastAtMs,
      headAtMs: head.atMs,
      keyFingerprint: found,
      siteHead: siteHead === null ? null : this.#checkSiteHead(siteHead, key, head),
    };
  }

  #checkSiteHead(envelope: JsonEnvelope, key: Uint8Array, end: AuditHead): number {
    const { sequence, linkDigest, federation } = this.#head(envelope, key);
    if (federation !== end.federation) throw this.fault('the site remembers another federation');
    if (sequence > end.sequence)
      throw this.fault(`the site remembers entry ${sequence}, the log ends before it`);
    if (this.#linkAtWanted !== linkDigest)
      throw this.fault(`the site remembers another log: entry ${sequence} has another link`);
    return sequence;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller says which line
  }
}

/** A head as `melo agent audit head` prints it. */
async function readSiteHead(file: string): Promise<JsonEnvelope> {
  const named = { path: file, expected: 'a head as `melo agent audit head` prints it' };
  const text = await atPath(named, () => readFile(file, 'utf8'));
  const parsed = jsonEnvelopeSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new InputError(
    'AUDIT_INVALID',
    `${file}: expected a head as \`melo agent audit head\` prints it, it is not one`,
  );
}

/** The place that a head of a site names, before its signature is checked against the log's key. */
function sequenceOf(envelope: JsonEnvelope): number {
  return decodePayload(auditHeadSchema, bytesOf(envelope.payload), 'remembered head').sequence;
}

/**
 * Read an exported log line by line and check all of it.
 *
 * @throws InputError AUDIT_INVALID naming the first line that does not fit, USAGE where a file cannot be read
 */
export async function verifyAudit(
  file: string,
  options: { readonly key: string | null; readonly headFile: string | null },
): Promise<VerifiedAudit> {
  const siteHead = options.headFile === null ? null : await readSiteHead(options.headFile);
  const reader = new ChainReader(file, siteHead === null ? null : sequenceOf(siteHead));
  await atPath({ path: file, expected: 'an exported audit log' }, async () => {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (line !== '') reader.take(line);
    }
  });
  return reader.finish(options.key, siteHead);
}

/** Verify an exported log and print what it says. */
export async function printVerifiedAudit(
  file: string,
  options: {
    readonly key: string | null;
    readonly headFile: string | null;
    readonly isJson: boolean;
  },
): Promise<void> {
  const found = await verifyAudit(file, options);
  if (options.isJson) {
    process.stdout.write(`${JSON.stringify({ isWhole: true, ...found })}\n`);
    return;
  }
  const time = (atMs: number | null): string =>
    atMs === null ? '-' : new Date(atMs).toISOString();
  const lines = [
    `${file}: whole, ${found.entries} entries, ${time(found.firstAtMs)} to ${time(found.lastAtMs)}`,
    `federation ${found.federation}, signed ${time(found.headAtMs)} by key ${found.keyFingerprint}`,
    options.key === null
      ? 'whose key that is was not checked: compare it with `melo agent status`, or give it as --key'
      : 'that is the key it should be',
    ...(found.siteHead === null
      ? []
      : [`entry ${found.siteHead}, which the site remembers, is in it`]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
