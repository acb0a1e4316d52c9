/** The two files that are written from the contracts: docs/openapi.json and the tables of docs/api.md. */
import { InputError } from '#core/errors';
import { areas, routes } from '../common/contracts.ts';
import { packageVersion } from '../common/package-info.ts';
import { openApiDocument } from './document.ts';
import { apiReference } from './reference.ts';

const marker = '<!-- What follows is written by tools/api-docs.mjs. -->';

const document = () => openApiDocument({ routes, areas, version: packageVersion });

/** The text of docs/openapi.json. */
export function writtenDocument(): string {
  return `${JSON.stringify(document(), null, 2)}\n`;
}

/** The text of docs/api.md, whose introduction stays. */
export function writtenReference(page: string): string {
  const [introduction = '', rest] = page.split(marker);
  if (rest === undefined) {
    throw new InputError('CONFIG_INVALID', `docs/api.md: expected the line ${marker}`);
  }
  return `${introduction}${marker}\n\n${apiReference(document())}`;
}
