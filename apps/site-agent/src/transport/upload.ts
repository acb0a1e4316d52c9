/** Send a sealed file range by range: what the coordinator has already is never sent again. */
import { limits } from '#core/protocol';
import type { MemberStatus } from '#core/protocol';
import type { SignedEnvelope } from '#core/crypto';
import { sleep } from '../common/retry.ts';
import { isLinkError, type CoordinatorCommands } from './connection.ts';
import { RangeWindow } from './range-window.ts';
import { RefusedError } from './refused-error.ts';

/** Starts over without any range getting through, before the refusal is taken for final. */
const fruitlessBeginsMax = 5;

/** A sealed file that is ready to go. */
export interface SealedUpload {
  /** BLAKE2b-256 of the ciphertext. */
  readonly uploadId: string;
  readonly ciphertext: Uint8Array;
  readonly manifest: SignedEnvelope;
  /** Of an adapter that was trained alone: the request that asks for it. */
  readonly request?: string;
}

/** How far an upload is. */
export interface UploadProgress {
  /** Bytes sent by this call so far, repeats counted. */
  readonly bytesSent: number;
  /** First range this call had to send; 0 where nothing was there before. */
  readonly resumedFromRange: number;
  /** Bytes that the coordinator has, from whatever connection. */
  readonly bytesStored: number;
}

/** How an upload is carried out. */
export interface UploadOptions {
  /** Calls it off: nothing more is sent, and never the commit. */
  readonly signal?: AbortSignal;
  readonly retryDelayMs?: number;
  readonly onProgress?: (progress: UploadProgress) => void;
}

/** How an upload ended. */
export interface UploadOutcome extends UploadProgress {
  readonly status: MemberStatus | null;
}

/** List the indices of ranges that none of the half-open intervals covers. */
export function missingRanges(
  rangeCount: number,
  received: readonly (readonly [number, number])[],
): number[] {
  const isThere = new Uint8Array(rangeCount);
  for (const [from, to] of received)
    isThere.fill(1, Math.min(from, rangeCount), Math.min(to, rangeCount));
  return [...isThere.keys()].filter((index) => isThere[index] === 0);
}

/** Refusals after which the upload is begun again: the coordinator lost or lacks ranges, or is busy. */
const beginAgainCodes: ReadonlySet<string> = new Set([
  'UPLOAD_UNKNOWN',
  'UPLOAD_INCOMPLETE',
  'RATE_LIMITED',
  'STORE_UNAVAILABLE',
  'DISK_FULL',
  'DISK_LOW',
  'DRAINING',
  'SHUTTING_DOWN',
  'INTERNAL',
  'TIMEOUT',
]);

/**
 * Upload until the coordinator has committed; waits for a connection for as long as `signal` allows.
 *
 * @throws RefusedError where the coordinator will not have it (e.g. ROUND_CLOSED)
 */
export async function uploadSealed(
  commands: CoordinatorCommands,
  upload: SealedUpload,
  options: UploadOptions = {},
): Promise<UploadOutcome> {
  const session = new UploadSession(commands, upload, options);
  for (let fruitless = 0; ;) {
    await commands.whenConnected(options.signal);
    const storedBefore = session.rangesStored;
    try {
      return await session.attempt();
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      if (isLinkError(error)) continue;
      if (!(error instanceof RefusedError) || !beginAgainCodes.has(error.code)) throw error;
      fruitless = session.rangesStored > storedBefore ? 0 : fruitless + 1;
      if (fruitless >= fruitlessBeginsMax) throw error;
      await sleep((options.retryDelayMs ?? 2000) * 2 ** fruitless, options.signal);
    }
  }
}

class UploadSession {
  readonly #commands: CoordinatorCommands;
  readonly #upload: SealedUpload;
  readonly #options: UploadOptions;
  readonly #window = new RangeWindow();
  #resumedFromRange = 0;
  #bytesStored = 0;
  bytesSent = 0;
  /** Ranges that the coordinator acknowledged: what is sent but refused is no progress. */
  rangesStored = 0;

  constructor(commands: CoordinatorCommands, upload: SealedUpload, options: UploadOptions) {
    this.#commands = commands;
    this.#upload = upload;
    this.#options = options;
  }

  async attempt(): Promise<UploadOutcome> {
    const { uploadId, ciphertext, manifest, request } = this.#upload;
    const { received, isCommitted } = await this.#commands.command('upload:begin', {
      uploadId,
      bytes: ciphertext.length,
      manifest,
      ...(request === undefined ? {} : { request }),
    });
    if (isCommitted) return this.#outcome(null);
    this.#bytesStored = ciphertext.length;
    const missing = missingRanges(Math.ceil(ciphertext.length / limits.rangeBytes), received);
    this.#resumedFromRange = missing[0] ?? 0;
    for (const index of missing) this.#bytesStored -= this.#range(index).length;
    await this.#window.run(missing, (index) => this.#sendRange(index));
    this.#options.signal?.throwIfAborted(); // called off: what was sent so far is never committed
    const { status } = await this.#commands.command('upload:commit', { uploadId });
    return this.#outcome(status);
  }

  #range(index: number): Uint8Array {
    const from = index * limits.rangeBytes;
    return this.#upload.ciphertext.subarray(from, from + limits.rangeBytes);
  }

  async #sendRange(index: number): Promise<void> {
    const { uploadId } = this.#upload;
    this.#options.signal?.throwIfAborted();
    const bytes = this.#range(index);
    this.bytesSent += bytes.length;
    await this.#commands.command('upload:range', { uploadId, index, bytes });
    this.rangesStored += 1;
    this.#bytesStored += bytes.length;
    this.#options.onProgress?.(this.#progress());
  }

  #progress(): UploadProgress {
    return {
      bytesSent: this.bytesSent,
      resumedFromRange: this.#resumedFromRange,
      bytesStored: this.#bytesStored,
    };
  }

  #outcome(status: MemberStatus | null): UploadOutcome {
    return { ...this.#progress(), status };
  }
}
