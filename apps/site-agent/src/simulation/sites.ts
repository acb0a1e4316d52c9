/** The virtual sites of one seed: their shares of the images, decoded once and kept for every run that has the same sites. */
import { join } from 'node:path';
import { canonicalJson, toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import { seededRng } from '#core/rng';
import { preprocessingDigest, type Activation, type Preprocessing } from '#core/protocol';
import type { LabelledImages } from '#core/training';
import { checkClasses, labelText, type DatasetImage } from '../data/dataset.ts';
import { decodeImage } from '../data/decode-image.ts';
import { ImageStore } from '../data/image-store.ts';
import { prepareImages, type DecodeImage, type PreparedImages } from '../data/labelled-images.ts';
import { findPool, groupsOf, type ImageSource } from './image-pool.ts';
import { partitionGroups } from './partition.ts';
import type { Partition } from './plan.ts';
import { rescan, scannerLook } from './scanner-look.ts';

/** Decoded images on disk, bytes at most for each look. */
const folderBytesMax = 8 * 1024 ** 3;
/** Decoded images in memory, bytes at most for all looks. */
const memoryBytesMax = 768 * 1024 ** 2;
const concurrency = 4;

/** A virtual site with its images. */
export interface SimulatedSite {
  readonly name: string;
  readonly training: LabelledImages;
  readonly heldOut: LabelledImages;
  /** Training images of each class, (C). */
  readonly classCounts: readonly number[];
  /** Images that cannot be read. */
  readonly unreadable: number;
  /** Of everything that its images decide: contents, labels, splits, look, preprocessing. */
  readonly digest: string;
}

/** What decides the sites. */
export interface Setting {
  readonly sites: number;
  readonly partition: Partition;
  readonly seed: number;
  readonly activation: Activation;
  readonly preprocessing: Preprocessing;
}

/** Names of virtual sites, in order. */
export function siteNames(sites: number): string[] {
  const digits = String(sites).length;
  return Array.from({ length: sites }, (_, at) => `site-${String(at + 1).padStart(digits, '0')}`);
}

/** Decodes as an agent does, and gives the images of one site the look of its scanner. */
function decodeWithLook(site: number): DecodeImage {
  const root = `melo/simulation/scanner/${site}`;
  const look = scannerLook(site, seededRng(root));
  return async (file, preprocessing) => {
    const rgb = await decodeImage(file, preprocessing);
    const content = toHex(blake2b256(rgb)); // the place of a file must not decide its noise
    return rescan(rgb, look, seededRng(`${root}/${content}`));
  };
}

/** Makes sites, and keeps what it decoded. */
export class SiteMaker {
  readonly #source: ImageSource;
  readonly #directory: string;
  readonly #signal: AbortSignal;
  readonly #onImage: (done: number, total: number) => void;
  readonly #stores = new Map<string, ImageStore>();
  #last: { readonly key: string; readonly sites: readonly SimulatedSite[] } | null = null;

  /** @param options - `directory`: for decoded images */
  constructor(options: {
    readonly source: ImageSource;
    readonly directory: string;
    readonly signal: AbortSignal;
    readonly onImage: (done: number, total: number) => void;
  }) {
    this.#source = options.source;
    this.#directory = options.directory;
    this.#signal = options.signal;
    this.#onImage = options.onImage;
  }

  /** The store of one look. */
  async #store(name: string, looks: number): Promise<ImageStore> {
    const store = this.#stores.get(name) ?? new ImageStore(Math.floor(memoryBytesMax / looks));
    this.#stores.set(name, store);
    await store.beginJob(join(this.#directory, name), folderBytesMax);
    return store;
  }

  /**
   * Share the images out and decode them; the sites of the last call are kept.
   *
   * @throws InputError as an agent's data reading and {@link partitionGroups} do
   */
  async make(setting: Setting): Promise<readonly SimulatedSite[]> {
    const key = canonicalJson(setting);
    if (this.#last?.key === key) return this.#last.sites;
    const { sites: count, partition, seed, activation } = setting;
    const names = siteNames(count);
    const isScanned = partition.name === 'scanner';
    const plain = await this.#store('as-they-are', isScanned ? count + 1 : 1);
    const hashOf = (path: string): Promise<string> => plain.hashOf(path);
    const pool = await findPool(this.#source, { activation, seed, hashOf });
    const groups = groupsOf(pool, partition);
    const stream = `melo/simulation/${seed}`;
    const places = partitionGroups(groups, { partition, sites: count, seed: stream });
    const total = pool.training.length + pool.heldOut.length;
    const sites: SimulatedSite[] = [];
    let before = 0;
    for (const [at, name] of names.entries()) {
      const isOwn = ({ group }: DatasetImage): boolean => places.get(group) === at;
      const own = { training: pool.training.filter(isOwn), heldOut: pool.heldOut.filter(isOwn) };
      const store = isScanned ? await this.#store(`scanner-${at + 1}`, count + 1) : plain;
      const decode = isScanned ? decodeWithLook(at) : decodeImage;
      const offset = before;
      const onProgress = (done: number): void => this.#onImage(offset + done, total);
      sites.push(await this.#prepareSite({ name, setting, store, decode, onProgress }, own));
      before += own.training.length + own.heldOut.length;
    }
    this.#last = { key, sites };
    return sites;
  }

  async #prepareSite(
    how: {
      readonly name: string;
      readonly setting: Setting;
      readonly store: ImageStore;
      readonly decode: DecodeImage;
      readonly onProgress: (done: number) => void;
    },
    own: { readonly training: readonly DatasetImage[]; readonly heldOut: readonly DatasetImage[] },
  ): Promise<SimulatedSite> {
    const { name, setting, store, decode, onProgress } = how;
    const { preprocessing } = setting;
    const options = { store, decode, preprocessing, concurrency, signal: this.#signal };
    const prepare = (list: readonly DatasetImage[], before: number): Promise<PreparedImages> =>
      prepareImages(list, { ...options, onProgress: (done) => onProgress(before + done) });
    const training = await prepare(own.training, 0);
    const heldOut = await prepare(own.heldOut, own.training.length);
    const { classes } = this.#source;
    checkClasses(training.images, classes);
    const look = setting.partition.name === 'scanner' ? name : 'as-they-are';
    return {
      name,
      training: training.labelled,
      heldOut: heldOut.labelled,
      classCounts: countClasses(training.images, classes.length),
      unreadable: training.unreadable.length + heldOut.unreadable.length,
      digest: await digestOf(
        store,
        [look, preprocessingDigest(preprocessing)],
        [training.images, heldOut.images],
      ),
    };
  }
}

/** Images that have each class, (C). */
function countClasses(images: readonly DatasetImage[], classes: number): number[] {
  const has = ({ label }: DatasetImage, c: number): boolean =>
    typeof label === 'number' ? label === c : label[c] === 1;
  return Array.from({ length: classes }, (_, c) => images.filter((image) => has(image, c)).length);
}

async function digestOf(
  store: ImageStore,
  about: readonly string[],
  splits: readonly (readonly DatasetImage[])[],
): Promise<string> {
  const pieces = about.map(utf8);
  for (const [split, images] of splits.entries()) {
    pieces.push(utf8(`split ${split}`));
    for (const { file, label } of images)
      pieces.push(utf8(`${await store.hashOf(file)} ${labelText(label)}`));
  }
  return toHex(blake2b256(encodePieces(pieces)));
}

/** All training images of some sites as those of one, in the sites' order. */
export function pooledImages(sites: readonly SimulatedSite[]): LabelledImages {
  const parts = sites.map(({ training }) => training);
  const owner = parts.flatMap((part) =>
    Array.from({ length: part.count }, (_, index) => ({ part, index })),
  );
  const findings = parts.flatMap(({ findings: own }) => [...(own ?? [])]);
  return {
    count: owner.length,
    labels: parts.flatMap(({ labels }) => Array.from(labels)),
    ...(findings.length === 0 ? {} : { findings: Int8Array.from(findings) }),
    load: async (index) => {
      const place = owner[index];
      if (place === undefined) throw new RangeError(`image: no index ${index}`);
      return place.part.load(place.index);
    },
  };
}
