/** Asks the hub what a repository holds, and reads ranges of its files; every answer is checked before it is believed. */
import { fileDownloadInfo, HubApiError, modelInfo, pathsInfo } from '@huggingface/hub';
import { z } from 'zod';
import { AuthError, InputError, MeloError, UnavailableError } from '#core/errors';
import {
  boundedFetch,
  hubRequest,
  isSafeAddress,
  type HubNetwork,
  type HubResponse,
} from './hub-network.ts';

/** What a file's bytes must hash to: SHA-256, or git's SHA-1 of a blob; null where the hub does not say. */
export type FileDigest =
  { readonly kind: 'sha256' | 'git-sha1'; readonly hex: string } | { readonly kind: 'none' };

/** One file of a repository. */
export interface HubFile {
  readonly repository: string;
  /** A commit, or a branch where a mirror tells no commit. */
  readonly revision: string;
  readonly path: string;
  readonly bytes: number;
  readonly digest: FileDigest;
}

/** A repository at one commit. */
export interface HubSnapshot {
  readonly repository: string;
  readonly revision: string;
  /** From the repository's tags; null where it says none. */
  readonly licence: string | null;
  /** Those of the asked files that are there. */
  readonly files: ReadonlyMap<string, HubFile>;
}

const commitSchema = z.string().regex(/^[0-9a-f]{40}$/);
const tagsSchema = z.array(z.string().max(200)).max(1000);
const pathSchema = z.object({
  path: z.string().max(1024),
  size: z.number().int().nonnegative(),
  oid: z.string().max(128).optional(),
  lfs: z.object({ oid: z.string().max(128), size: z.number().int().nonnegative() }).optional(),
});
const repositoryPattern = /^[\w-][\w.-]{0,95}\/[\w-][\w.-]{0,95}$/;
const revisionPattern = /^[\w-][\w./-]{0,127}$/;
/** Statuses with which a plain mirror says that it has the files and not the programming interface. */
const noInterfaceStatuses: ReadonlySet<number> = new Set([404, 405, 501]);

/** Make a digest of what the hub calls an etag: 64 digits are a SHA-256, 40 are git's. */
export function digestOfEtag(etag: string | undefined): FileDigest {
  const hex = etag?.replace(/^(?:W\/)?"?|"?$/g, '') ?? '';
  if (/^[0-9a-f]{64}$/.test(hex)) return { kind: 'sha256', hex };
  if (/^[0-9a-f]{40}$/.test(hex)) return { kind: 'git-sha1', hex };
  return { kind: 'none' };
}

/** Reads repositories of one hub or mirror. */
export class HubClient {
  readonly #network: HubNetwork;

  constructor(network: HubNetwork) {
    this.#network = network;
  }

  /**
   * Ask what a repository holds at a revision.
   *
   * @throws InputError NOT_FOUND, AuthError FORBIDDEN where the publisher's terms wait to be accepted, UnavailableError
   *   HUB_UNREACHABLE
   */
  async describe(
    repository: string,
    revision: string,
    paths: readonly string[],
  ): Promise<HubSnapshot> {
    if (!repositoryPattern.test(repository) || !revisionPattern.test(revision)) {
      throw new InputError(
        'USAGE',
        'backbone: expected a repository as owner/name and a revision of letters and digits; see melo backbone list',
      );
    }
    try {
      return await this.#describeByInterface(repository, revision, paths);
    } catch (error) {
      const isMirror = error instanceof HubApiError && noInterfaceStatuses.has(error.statusCode);
      if (!isMirror) throw this.#translate(error, repository);
      return this.#describeByFiles(repository, revision, paths);
    }
  }

  async #describeByInterface(
    repository: string,
    revision: string,
    paths: readonly string[],
  ): Promise<HubSnapshot> {
    const shared = { hubUrl: this.#network.endpoint, fetch: boundedFetch(this.#network) };
    const information = await modelInfo({
      name: repository,
      revision,
      additionalFields: ['sha', 'tags'],
      ...shared,
    });
    const commit = commitSchema.parse(information.sha);
    const tags = tagsSchema.catch([]).parse(information.tags);
    const licence = tags.find((tag) => tag.startsWith('license:'))?.slice('license:'.length);
    const listed = z.array(pathSchema).parse(
      await pathsInfo({
        repo: { type: 'model', name: repository },
        paths: [...paths],
        revision: commit,
        ...shared,
      }),
    );
    const files = listed
      .filter(({ path }) => paths.includes(path))
      .map(({ path, size, oid, lfs }): HubFile => {
        const digest = digestOfEtag(lfs?.oid ?? oid);
        return { repository, revision: commit, path, bytes: lfs?.size ?? size, digest };
      });
    return {
      repository,
      revision: commit,
      licence: licence ?? null,
      files: new Map(files.map((file) => [file.path, file])),
    };
  }

  /** For a mirror that has the files alone: ask each of them. */
  async #describeByFiles(
    repository: string,
    revision: string,
    paths: readonly string[],
  ): Promise<HubSnapshot> {
    const files = new Map<string, HubFile>();
    for (const path of paths) {
      const file = await this.#probe(repository, revision, path);
      if (file !== null) files.set(path, file);
    }
    if (files.size === 0) throw notFound(repository, this.#network.endpoint);
    return { repository, revision, licence: null, files };
  }

  async #probe(repository: string, revision: string, path: string): Promise<HubFile | null> {
    try {
      const information = await fileDownloadInfo({
        repo: { type: 'model', name: repository },
        path,
        revision,
        hubUrl: this.#network.endpoint,
        fetch: boundedFetch(this.#network),
      });
      if (information === null) return null;
      const { size: bytes, etag } = information;
      return { repository, revision, path, bytes, digest: digestOfEtag(etag) };
    } catch (error) {
      if (error instanceof HubApiError && error.statusCode === 404) return null;
      throw this.#translate(error, repository);
    }
  }

  /**
   * Read a file from `offset`, to its end or for `length` bytes.
   *
   * @throws UnavailableError HUB_UNREACHABLE where it may work later, and what {@link describe} throws where it will not
   */
  async *read(file: HubFile, offset: number, length?: number): AsyncGenerator<Uint8Array> {
    const { repository, revision, path, bytes } = file;
    const end = length === undefined ? bytes : offset + length;
    const isRange = offset > 0 || end < bytes;
    try {
      const answer = await hubRequest(
        this.#network,
        `${this.#network.endpoint}/${repository}/resolve/${encodeURIComponent(revision)}/${path}`,
        { headers: isRange ? { range: `bytes=${offset}-${end - 1}` } : {} },
      );
      await this.#checkAnswer(answer, file, { offset, isRange });
      yield* answer.body();
    } catch (error) {
      throw this.#translate(error, repository);
    }
  }

  async #checkAnswer(
    answer: HubResponse,
    { repository, path, bytes }: HubFile,
    { offset, isRange }: { readonly offset: number; readonly isRange: boolean },
  ): Promise<void> {
    const range = answer.header('content-range');
    const isExpected = isRange
      ? answer.status === 206 && range?.startsWith(`bytes ${offset}-`) === true
      : answer.status === 200;
    const isWhole = range === null || Number(range.split('/')[1]) === bytes;
    if (isExpected && isWhole && isSafeAddress(answer.url)) return;
    await answer.discard();
    if (answer.status === 200 || answer.status === 206) {
      throw new InputError(
        'HUB_ANSWER_INVALID',
        `${path} of ${repository}: expected bytes from ${offset} on of a file of ${bytes} over https, got something else; the mirror or a proxy between does not serve ranges: run the same command again to start over, or use another HF_ENDPOINT`,
        { status: answer.status, offset },
      );
    }
    throw new HubApiError(answer.url, answer.status);
  }

  /** Say what to do about an error of the network or the hub. */
  #translate(error: unknown, repository: string): MeloError {
    if (error instanceof MeloError) return error;
    const { endpoint } = this.#network;
    const status = error instanceof HubApiError ? error.statusCode : null;
    if (status === 404) return notFound(repository, endpoint);
    if (status === 401 || status === 403) {
      return new AuthError(
        'FORBIDDEN',
        `${repository}: expected leave to read it, ${endpoint} refused; accept its terms there, set HF_TOKEN to a token of that account, or check the name`,
        { status },
        { cause: error },
      );
    }
    const what = status === null ? reasonOf(error) : `status ${status} came`;
    return new UnavailableError(
      'HUB_UNREACHABLE',
      `${endpoint}: expected an answer about ${repository}, ${what}; check the network, HTTPS_PROXY and HF_ENDPOINT, then run the same command again: it goes on where it stood`,
      { status },
      { cause: error },
    );
  }
}

function notFound(repository: string, endpoint: string): InputError {
  return new InputError(
    'NOT_FOUND',
    `${repository}: expected a repository at ${endpoint}, there is none; check the name with melo backbone list`,
    { repository },
  );
}

const networkErrorSchema = z.object({ code: z.string().max(64) });

/** The code of the network's own error, which fetch wraps. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const parsed = networkErrorSchema.safeParse(cause);
  return parsed.success ? `failed with ${parsed.data.code}` : 'the connection broke';
}
