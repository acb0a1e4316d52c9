/** A fresh database at the PostgreSQL that DATABASE_URL names, for one spec. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** A database that is there until it is dropped. */
export interface SpecDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Make a database. */
export async function makeSpecDatabase(serverUrl: string): Promise<SpecDatabase> {
  const name = `melo_spec_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => administer(serverUrl, `drop database ${name} with (force)`) };
}

/** The server for specs; undefined where PGlite carries them. */
export const specServerUrl: string | undefined = process.env['DATABASE_URL'] || undefined;
