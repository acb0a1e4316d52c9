/**
 * The dashboard's page: what the build made, read once at the start and served from memory, so that no request names a
 * file. index.html gets a fresh nonce each time; the other files have their digest in their name and never change.
 */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { NextFunction, Request, Response } from 'express';
import { randomBytes } from '#core/crypto';
import { InputError } from '#core/errors';
import { systemErrorCode } from '../common/durable-files.ts';
import { packageRoot } from '../common/package-info.ts';

/** Stands in the built index.html wherever the nonce goes. */
export const noncePlaceholder = 'MELO_CSP_NONCE';
/** Where the build puts the page. */
export const defaultPageFolder = join(packageRoot, 'dist/apps/dashboard');

const fileBytesMax = 8 * 1024 * 1024;
const filesMax = 200;

const mediaTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.woff2': 'font/woff2',
};

interface Asset {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly compressed: Buffer;
}

/** A built page. */
export interface Page {
  /** Null where nothing was built. */
  readonly html: string | null;
  /** By path, e.g. `/assets/index-abc.js`. */
  readonly assets: ReadonlyMap<string, Asset>;
}

/** Read a built page; one that is not there is no hindrance to a coordinator. */
export async function loadPage(folder: string): Promise<Page> {
  const html = await readIfThere(join(folder, 'index.html'));
  const assets = new Map<string, Asset>();
  if (html === null) return { html: null, assets };
  const names = await readdir(join(folder, 'assets'));
  for (const name of names.slice(0, filesMax)) {
    const mediaType = mediaTypes[extname(name)];
    if (mediaType === undefined) continue; // a source map, or what somebody put there
    const bytes = await readFile(join(folder, 'assets', name));
    if (bytes.length > fileBytesMax) {
      throw new InputError(
        'CONFIG_INVALID',
        `dashboard: expected files of at most ${fileBytesMax} bytes, got a larger one; build it anew`,
      );
    }
    const compressed = await promisify(gzip)(bytes);
    assets.set(`/assets/${name}`, { mediaType, bytes, compressed });
  }
  return { html: html.toString('utf8'), assets };
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** The policy of a page: scripts and style sheets are ours or carry the nonce, nothing is written inline. */
export function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Serve a page and its assets; everything else goes on to REST, which denies by default. */
export function servePage(page: Page) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const asset = page.assets.get(request.path);
    if (!isRead) next();
    else if (request.path === '/') sendHtml(page, response);
    else if (asset !== undefined) sendAsset(asset, request, response);
    else next();
  };
}

function sendHtml({ html }: Page, response: Response): void {
  if (html === null) {
    response.status(404).type('text/plain');
    response.send(
      'The dashboard is not built. Run: npm run build\nThe REST API works without it.\n',
    );
    return;
  }
  const nonce = Buffer.from(randomBytes(16)).toString('base64');
  response.setHeader('Content-Security-Policy', contentSecurityPolicy(nonce));
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Permissions-Policy', 'camera=(), geolocation=(), microphone=(), payment=()');
  response.type('text/html').send(html.replaceAll(noncePlaceholder, nonce));
}

function sendAsset(asset: Asset, request: Request, response: Response): void {
  response.setHeader('Cache-Control', 'public, max-age=31536000, immutable');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Content-Type', asset.mediaType);
  response.setHeader('Vary', 'Accept-Encoding');
  const isCompressed = request.acceptsEncodings('gzip') === 'gzip';
  if (isCompressed) response.setHeader('Content-Encoding', 'gzip');
  response.end(isCompressed ? asset.compressed : asset.bytes);
}
