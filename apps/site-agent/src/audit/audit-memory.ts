/**
 * What this site remembers of the coordinator's audit log: the newest signed head, and where one did not continue it, both as
 * a proof. A file of its own, so that a person's word is heard by an agent that runs.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SignedEnvelope } from '#core/crypto';
import { auditHeadSchema, decodePayload, jsonEnvelopeSchema, type AuditHead } from '#core/protocol';
import {
  makePrivateDirectory,
  readJsonIfPresent,
  writeJsonDurably,
} from '../common/durable-file.ts';

const forkSchema = z.strictObject({
  /** What did not fit, in a sentence. */
  reason: z.string().min(1).max(500),
  /** The head that does not continue the one remembered; null where the coordinator gives none any more. */
  offered: jsonEnvelopeSchema.nullable(),
  foundAtMs: z.number().int(),
});
/** Why the audit log does not continue what this site remembers. */
export type AuditFork = z.infer<typeof forkSchema>;

const memorySchema = z.strictObject({
  version: z.literal(1),
  head: jsonEnvelopeSchema.nullable(),
  fork: forkSchema.nullable(),
});
/** What this site remembers of the audit log. */
export type AuditMemory = z.infer<typeof memorySchema>;

type JsonEnvelope = z.infer<typeof jsonEnvelopeSchema>;

const nothing: AuditMemory = { version: 1, head: null, fork: null };
const folder = (dataDirectory: string): string => join(dataDirectory, 'audit');
const memoryFile = (dataDirectory: string): string => join(folder(dataDirectory), 'head.json');

/** Where the proof of a fork is kept, also after a person accepted it. */
export const forkFile = (dataDirectory: string, fork: AuditFork): string =>
  join(folder(dataDirectory), `fork-${fork.foundAtMs}.json`);

/** Read what this site remembers. */
export async function readAuditMemory(dataDirectory: string): Promise<AuditMemory> {
  return (await readJsonIfPresent(memoryFile(dataDirectory), memorySchema)) ?? nothing;
}

/** Remember a head. */
export async function rememberHead(
  dataDirectory: string,
  head: JsonEnvelope | null,
): Promise<AuditMemory> {
  await makePrivateDirectory(folder(dataDirectory));
  const memory: AuditMemory = { version: 1, head, fork: null };
  await writeJsonDurably(memoryFile(dataDirectory), memory);
  return memory;
}

/** Remember a fork: the proof first, then what makes this site decline. */
export async function rememberFork(
  dataDirectory: string,
  head: JsonEnvelope | null,
  fork: AuditFork,
): Promise<AuditMemory> {
  await makePrivateDirectory(folder(dataDirectory));
  await writeJsonDurably(forkFile(dataDirectory, fork), { version: 1, remembered: head, ...fork });
  const memory: AuditMemory = { version: 1, head, fork };
  await writeJsonDurably(memoryFile(dataDirectory), memory);
  return memory;
}

const acceptanceFile = (dataDirectory: string): string =>
  join(folder(dataDirectory), 'accepted.json');
const acceptanceSchema = z.strictObject({ version: z.literal(1), acceptedAtMs: z.number().int() });

/** Leave a person's word for the agent: what it knows of versions and rounds counts no more. */
export async function leaveAcceptance(dataDirectory: string, acceptedAtMs: number): Promise<void> {
  await makePrivateDirectory(folder(dataDirectory));
  await writeJsonDurably(acceptanceFile(dataDirectory), { version: 1, acceptedAtMs });
}

/** Take up a person's word, where there is one; it is gone once `work` has ended. */
export async function takeAcceptance(
  dataDirectory: string,
  work: () => Promise<void>,
): Promise<void> {
  const path = acceptanceFile(dataDirectory);
  if ((await readJsonIfPresent(path, acceptanceSchema)) === null) return;
  await work();
  await rm(path, { force: true });
}

/** Write a head as it stands in files. */
export function toFile({ payload, signature }: SignedEnvelope): JsonEnvelope {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return { payload: text(payload), signature: text(signature) };
}

/** What a head in a file of this site's own says; it was verified before it was written. */
export function headOf(file: JsonEnvelope): AuditHead {
  const payload = new Uint8Array(Buffer.from(file.payload, 'base64'));
  return decodePayload(auditHeadSchema, payload, 'remembered audit head');
}
