/** REST routes of the registry: versions of a task's adapter with their lineage. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  digestSchema,
  roundResultSchema,
  siteIdSchema,
} from '#core/protocol';
import {
  anyJsonObject,
  defineRoute,
  envelopeView,
  pathNumber,
  readRoles,
  scienceRoles,
  taskParams,
  timeMs,
} from '../common/contract.ts';
import { keyCount, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** One version as people see it. */
export const versionViewSchema = z.strictObject({
  version: adapterVersionSchema,
  /** BLAKE2b-256 of the adapter file. */
  adapterDigest: digestSchema,
  adapterBytes: z.number().int(),
  createdAtMs: timeMs,
  /** Round and attempt that published it; null for version 0. */
  round: z.number().int().nullable(),
  attempt: z.number().int().nullable(),
  /** Version that the round started from; null for version 0. */
  baseVersion: adapterVersionSchema.nullable(),
  /** Whether people are told to use it; at most one version of a task. */
  isPromoted: z.boolean(),
  /** Whether it is the newest. */
  isLatest: z.boolean(),
  /** Sites that left the federation and whose share is in it, directly or through an ancestor. */
  leftSites: z.array(siteIdSchema),
});
/** One version as people see it. */
export type VersionView = z.infer<typeof versionViewSchema>;

/** One version with its card and its place in the signed chain. */
export const versionDetailSchema = z.strictObject({
  ...versionViewSchema.shape,
  /** The adapter card, as it stands in the file. */
  card: anyJsonObject,
  /** RoundResult as it was signed; null for version 0. */
  result: envelopeView.nullable(),
  /** The same, parsed; null for version 0. */
  resultPayload: roundResultSchema.nullable(),
  resultDigest: digestSchema.nullable(),
  /** The signed membership record of the round; null for version 0. */
  membership: envelopeView.nullable(),
});

/** Formats of an adapter, by the names of `melo adapter convert`. */
export const adapterFormatSchema = z.enum(['melo', 'peft', 'official']);
/** Releases of transformers whose names a PEFT adapter may have. */
export const peftNamesSchema = z.enum(['transformers-4', 'transformers-5']);

/** Path parameters of a version. */
export const versionParams = z.strictObject({
  ...taskParams.shape,
  version: pathNumber(0, 10_000, 'Number of a version; 0 is derived from the public seed.'),
});

const versionsQuery = z.strictObject({
  ...pageQuery(z.tuple([keyCount]), { byDefault: 200, max: 1000 }),
  order: z.enum(['oldest', 'newest']).default('oldest').describe('Which versions come first.'),
});
/** Which versions are listed. */
export type VersionsQuery = z.output<typeof versionsQuery>;

/** REST routes of the registry. */
export const registryRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/versions',
    summary: "List the versions of a task's adapter, oldest first by default",
    roles: readRoles,
    params: taskParams,
    query: versionsQuery,
    response: z.strictObject({ versions: z.array(versionViewSchema), nextCursor }),
    forSteward: ({ versions, ...page }, site) => ({
      ...page,
      versions: versions.map((version) => ({
        ...version,
        leftSites: version.leftSites.filter((left) => left === site),
      })),
    }),
  }),
  get: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/versions/:version',
    summary: 'Show one version: card, digest, lineage and signed result',
    roles: readRoles,
    params: versionParams,
    response: versionDetailSchema,
  }),
  download: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/versions/:version/adapter',
    summary:
      'Download the adapter of a version in a format of docs/adapters.md; its headers say what it is',
    roles: scienceRoles,
    params: versionParams,
    query: z.strictObject({
      format: adapterFormatSchema
        .default('melo')
        .describe(
          '`melo` is the file that the digest of the version is of; `peft` a tar of its two files; `official` that of the MeLo code.',
        ),
      peftNames: peftNamesSchema
        .default('transformers-5')
        .describe('Of `peft`: the release of transformers whose names are written.'),
      dropHeadBias: z
        .enum(['true', 'false'])
        .default('false')
        .describe('Of `official`, which cannot hold it: leave the bias of the head out.'),
    }),
    response: z.unknown(),
    mediaType: 'application/octet-stream',
    headers: {
      ETag: 'BLAKE2b-256 of what is sent, in quotation marks.',
      'Content-Disposition': 'The name of the file.',
      'Melo-Digest': 'BLAKE2b-256 of the file in the format `melo`: the digest of the version.',
      'Melo-Notes': 'What the format could not hold as it was; absent where nothing changed.',
      'Melo-Version': 'Number of the version.',
      'Melo-Standing': '`promoted`, `latest`, both, or that it is neither.',
      'Melo-Left-Sites': 'Sites that left and whose share is in it; absent without any.',
    },
    refusals: ['ADAPTER_UNSUPPORTED'],
  }),
} as const;
