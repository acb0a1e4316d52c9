/**
 * Adapters of one backbone, checked once and kept ready: hundreds of tasks in memory, the least used given up first.
 *
 * An adapter is a few hundred kilobytes beside a backbone of hundreds of megabytes; what is kept is its numbers, so that
 * feeding it to a loaded model is all that switching takes. Where the bytes come from is the caller's: this opens no file.
 */
import { adapterDigest, decodeAdapterFile } from '#core/adapter';
import type { AdapterFile, AdapterLayout } from '#core/adapter';
import { checkInteger } from '#core/check';
import { InputError, ProtocolError } from '#core/errors';

/** Counted for each adapter besides its numbers, bytes: its card, digest and place in the library. */
const entryBytes = 8192;

/** An adapter that is ready to be fed. */
export interface LibraryAdapter extends AdapterFile {
  /** What it was asked for as. */
  readonly name: string;
  /** BLAKE2b-256 of the file it came from, 64 hexadecimal digits. */
  readonly digest: string;
}

/** What an {@link AdapterLibrary} needs. */
export interface AdapterLibraryOptions {
  /** The backbone that every adapter must have been trained on. */
  readonly backbone: { readonly name: string; readonly fingerprint: string };
  /** What the adapters kept may take together, bytes. */
  readonly bytesMax: number;
  /** Read an adapter file by its name; it bounds the size of what it reads. */
  readonly read: (name: string) => Promise<Uint8Array>;
}

/** Bytes that an adapter counts for in a library: its numbers and a fixed share for the rest. */
export function libraryBytes({ values }: AdapterFile): number {
  return values.byteLength + entryBytes;
}

/** A bounded store of adapters by name; see the module's header. */
export class AdapterLibrary {
  readonly #options: AdapterLibraryOptions;
  /** From the least to the most recently used. */
  readonly #adapters = new Map<string, LibraryAdapter>();
  readonly #loading = new Map<string, Promise<LibraryAdapter>>();
  #bytes = 0;

  /**
   * @param options - the backbone, the bound and where files come from
   * @throws RangeError if `bytesMax` is not a whole number of bytes, one or more
   */
  constructor(options: AdapterLibraryOptions) {
    const range = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
    checkInteger(options.bytesMax, 'bytes of the adapter library', range);
    this.#options = options;
  }

  /** Adapters kept now. */
  get count(): number {
    return this.#adapters.size;
  }

  /** What they take together, bytes; never above the bound. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Tell whether an adapter is kept, without using it. */
  has(name: string): boolean {
    return this.#adapters.has(name);
  }

  /**
   * Return an adapter: the one kept, or read and checked now. Callers that ask for the same name at once share one reading.
   *
   * @param name - handed to `read`
   * @param expectedDigest - refuse any other bytes; what is kept under another digest is read again
   * @throws InputError BACKBONE_MISMATCH naming the adapter and both backbones, PAYLOAD_TOO_LARGE where it is above the
   *   bound by itself, ADAPTER_INVALID and what else `decodeAdapterFile` throws, with the adapter's name
   * @throws ProtocolError DIGEST_MISMATCH where the file has another digest than expected
   */
  async get(name: string, expectedDigest?: string): Promise<LibraryAdapter> {
    const kept = this.#adapters.get(name);
    if (kept !== undefined && (expectedDigest ?? kept.digest) === kept.digest) {
      this.#adapters.delete(name);
      this.#adapters.set(name, kept); // the most recently used stands last
      return kept;
    }
    if (kept !== undefined) this.forget(name);
    const adapter = await (this.#loading.get(name) ?? this.#load(name));
    if (expectedDigest === undefined || adapter.digest === expectedDigest) return adapter;
    this.forget(name);
    throw new ProtocolError(
      'DIGEST_MISMATCH',
      `adapter ${name}: expected digest ${expectedDigest.slice(0, 16)}..., it has ${adapter.digest.slice(0, 16)}...; fetch the file again`,
      { expected: expectedDigest, actual: adapter.digest },
    );
  }

  /**
   * Keep an adapter whose bytes are at hand, in place of one of the same name.
   *
   * @param name - to ask for it by
   * @param bytes - its file; not kept
   * @throws as {@link AdapterLibrary.get}
   */
  put(name: string, bytes: Uint8Array): LibraryAdapter {
    this.forget(name);
    const adapter = this.#open(name, bytes);
    this.#keep(adapter);
    return adapter;
  }

  /** Give an adapter up; a reading under way ends, but what it gives is not kept. */
  forget(name: string): void {
    this.#loading.delete(name);
    const kept = this.#adapters.get(name);
    if (kept === undefined) return;
    this.#adapters.delete(name);
    this.#bytes -= libraryBytes(kept);
  }

  #load(name: string): Promise<LibraryAdapter> {
    const loading = this.#options.read(name).then((bytes) => this.#open(name, bytes));
    this.#loading.set(name, loading);
    return loading.then(
      (adapter) => {
        if (this.#loading.get(name) === loading) this.#keep(adapter);
        return adapter;
      },
      (error: unknown) => {
        if (this.#loading.get(name) === loading) this.#loading.delete(name); // the next call tries again
        throw error;
      },
    );
  }

  /** Check a file's bytes through and through. */
  #open(name: string, bytes: Uint8Array): LibraryAdapter {
    const file = decodeNamed(name, bytes);
    const { backbone, bytesMax } = this.#options;
    const trainedOn = file.card.backbone;
    if (trainedOn.fingerprint !== backbone.fingerprint) {
      throw new InputError(
        'BACKBONE_MISMATCH',
        `adapter ${name}: expected one for backbone ${backbone.name} with fingerprint ${backbone.fingerprint.slice(0, 16)}..., ` +
          `it is for ${trainedOn.name} with ${trainedOn.fingerprint.slice(0, 16)}...; use the backbone it was trained on`,
        { adapter: name, expected: backbone.fingerprint, actual: trainedOn.fingerprint },
      );
    }
    if (libraryBytes(file) > bytesMax) {
      throw new InputError(
        'PAYLOAD_TOO_LARGE',
        `adapter ${name}: expected at most ${bytesMax} bytes, which the library keeps in all, it takes ${libraryBytes(file)}; raise the bound`,
        { adapter: name, bytes: libraryBytes(file), bytesMax },
      );
    }
    const layout = this.#sharedLayout(file.layout);
    return { ...file, layout, name, digest: adapterDigest(bytes) };
  }

  /** One layout for all adapters of one form: it is larger than a card, and hundreds of tasks have few forms. */
  #sharedLayout(layout: AdapterLayout): AdapterLayout {
    for (const kept of this.#adapters.values()) {
      if (kept.layout.hash === layout.hash) return kept.layout;
    }
    return layout;
  }

  #keep(adapter: LibraryAdapter): void {
    this.forget(adapter.name);
    this.#adapters.set(adapter.name, adapter);
    this.#bytes += libraryBytes(adapter);
    for (const [name] of this.#adapters) {
      if (this.#bytes <= this.#options.bytesMax) return;
      this.forget(name); // the least recently used; the newest fits by itself
    }
  }
}

function decodeNamed(name: string, bytes: Uint8Array): AdapterFile {
  try {
    return decodeAdapterFile(bytes);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InputError(
      cause.code,
      `adapter ${name}: ${cause.message}`,
      { ...cause.details, adapter: name },
      { cause },
    );
  }
}
