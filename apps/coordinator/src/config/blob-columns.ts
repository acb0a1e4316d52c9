/** Where the database names blobs: these columns alone say which are needed. */
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { evaluationRequests, evaluations, versions } from './schema.ts';

/** Every column that names a blob. */
export const blobColumns: readonly { readonly table: PgTable; readonly column: PgColumn }[] = [
  { table: versions, column: versions.ciphertextDigest },
  { table: versions, column: versions.stateCiphertextDigest },
  { table: evaluations, column: evaluations.payloadDigest },
  { table: evaluationRequests, column: evaluationRequests.ciphertextDigest },
];
