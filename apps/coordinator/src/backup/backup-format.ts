/**
 * What a backup is: a tar of `manifest.json`, `database/TABLE.ndjson`, `blobs/DIGEST`, `uploads/DIGEST`, and at the end
 * `contents.json`, which has the digest of everything before it, and the coordinator's signature over that.
 */
import { z } from 'zod';
import { digestSchema, federationIdSchema, limits } from '#core/protocol';
import { entryBytesMax } from './tar.ts';

/** The names of the parts that are not data. */
export const parts = {
  manifest: 'manifest.json',
  contents: 'contents.json',
  signature: 'signature.json',
} as const;

/** Limits of a backup. */
export const backupLimits = {
  entriesMax: 500_000,
  manifestBytesMax: 1024 * 1024,
  /** About 150 bytes an entry. */
  contentsBytesMax: 128 * 1024 * 1024,
  signatureBytesMax: 4096,
  /** One row of the database as JSON. */
  rowBytesMax: 16 * 1024 * 1024,
  fileBytesMax: limits.updateBytesMax,
  tableBytesMax: entryBytesMax,
} as const;

const identifier = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/);
const count = z.number().int().min(0);
const timeMs = z.number().int().min(0);
const keySchema = z.string().regex(/^[0-9a-f]{64}$/);

const tableSchema = z.strictObject({
  table: identifier,
  columns: z.array(identifier).min(1).max(200),
  rows: count,
  bytes: count.max(backupLimits.tableBytesMax),
});
/** One table of the database. */
export type BackupTable = z.infer<typeof tableSchema>;

const filesSchema = z.strictObject({ files: count.max(backupLimits.entriesMax), bytes: count });

/** The state of the database's schema: how many migrations were applied, and the last of them. */
export const schemaLevelSchema = z.strictObject({
  migrations: z.number().int().min(1).max(10_000),
  lastHash: digestSchema,
});
/** The state of the database's schema. */
export type SchemaLevel = z.infer<typeof schemaLevelSchema>;

/** What stands at the beginning of a backup. */
export const manifestSchema = z.strictObject({
  type: z.literal('melo-backup'),
  version: z.literal(1),
  createdAtMs: timeMs,
  release: z.string().min(1).max(64),
  federation: federationIdSchema,
  databaseKind: z.enum(['pglite', 'postgresql']),
  schema: schemaLevelSchema,
  /** What tells whether the keys that are kept apart are those that belong to it; no secret. */
  keys: z.strictObject({
    signingPublicKey: keySchema,
    agreementPublicKey: keySchema,
    wrappingKeyCheck: digestSchema,
  }),
  tables: z.array(tableSchema).max(100),
  blobs: filesSchema,
  uploads: filesSchema,
});
/** What stands at the beginning of a backup. */
export type BackupManifest = z.infer<typeof manifestSchema>;

/** Where an entry of data may stand. */
const dataPath = z
  .string()
  .regex(/^(?:database\/[a-z][a-z0-9_]{0,62}\.ndjson|(?:blobs|uploads)\/[0-9a-f]{64})$/);

const absentSchema = z.strictObject({
  path: dataPath,
  /** Named by the database, and not there or not what its name says when the backup was made. */
  reason: z.enum(['missing', 'damaged']),
});
/** A file that the database names and the backup does not have. */
export type AbsentFile = z.infer<typeof absentSchema>;

/** What stands at the end: the digest of everything before it. */
export const contentsSchema = z.strictObject({
  type: z.literal('melo-backup-contents'),
  entries: z
    .array(
      z.strictObject({
        path: z.union([z.literal(parts.manifest), dataPath]),
        bytes: count,
        /** SHA-256. */
        digest: digestSchema,
      }),
    )
    .max(backupLimits.entriesMax),
  absent: z.array(absentSchema).max(backupLimits.entriesMax),
});
/** What stands at the end: the digest of everything before it. */
export type BackupContents = z.infer<typeof contentsSchema>;

/** Ed25519 over the bytes of the contents, by the coordinator's signing key. */
export const signatureSchema = z.strictObject({
  type: z.literal('melo-backup-signature'),
  signature: z.string().regex(/^[0-9a-f]{128}$/),
});

/** Bytes of everything that a manifest announces. */
export const announcedBytes = ({ tables, blobs, uploads }: BackupManifest): number =>
  tables.reduce((sum, { bytes }) => sum + bytes, 0) + blobs.bytes + uploads.bytes;
