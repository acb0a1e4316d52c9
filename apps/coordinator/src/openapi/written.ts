/** The files that are written from the contracts: docs/openapi.json, and of it the tables of docs/api.md and the types of libs/api. */
import { InputError } from '#core/errors';
import { areas, routes } from '../common/contracts.ts';
import { packageVersion } from '../common/package-info.ts';
import { openApiDocument } from './document.ts';
import { apiOperations } from './operations.ts';
import { apiReference } from './reference.ts';

const marker = '<!-- What follows is written by tools/api-docs.mjs. -->';

const document = () => openApiDocument({ routes, areas, version: packageVersion });

/** The text of docs/openapi.json. */
export function writtenDocument(): string {
  return `${JSON.stringify(document(), null, 2)}\n`;
}

/** The text of libs/api/src/operations.ts. */
export function writtenOperations(): string {
  return apiOperations(document());
}

/** The text of docs/api.md, whose introduction stays. */
export function writtenReference(page: string): string {
  const [introduction = '', rest] = page.split(marker);
  if (rest === undefined) {
    throw new InputError('CONFIG_INVALID', `docs/api.md: expected the line ${marker}`);
  }
  return `${introduction}${marker}\n\n${apiReference(document())}`;
}
