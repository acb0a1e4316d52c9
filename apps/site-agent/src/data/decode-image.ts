/**
 * From an image file to the backbone's input. Loads sharp: only the trainer process and `melo adapter predict` import it.
 *
 * Decoded to 8-bit sRGB, alpha dropped, grey repeated to three channels; an EXIF orientation is not applied, since the
 * preprocessing of a task does not name it. `resize: fill` with the task's kernel and no shrink-on-load, so that a JPEG and
 * a PNG of the same pixels give the same input.
 */
import sharp from 'sharp';
import { InputError } from '#core/errors';
import type { Preprocessing } from '#core/protocol';

/** Pixels of one image before it is resized: an X-ray has some 10 million. */
const inputPixelsMax = 100_000_000;

sharp.cache(false);
sharp.concurrency(1); // several images are decoded side by side instead

/**
 * Decode an image to bytes (S,S,3).
 *
 * @throws InputError IMAGE_UNREADABLE; its message names the file and stays on this machine
 */
export async function decodeImage(
  source: string | Uint8Array,
  preprocessing: Preprocessing,
): Promise<Uint8Array> {
  const size = preprocessing.imageSize;
  const name = typeof source === 'string' ? source : 'image';
  try {
    const { data, info } = await sharp(source, {
      limitInputPixels: inputPixelsMax,
      failOn: 'error',
      autoOrient: false,
      animated: false,
    })
      .removeAlpha()
      .resize(size, size, { fit: 'fill', kernel: preprocessing.kernel, fastShrinkOnLoad: false })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return toThreeChannels(data, info.channels, size);
  } catch (cause) {
    throw new InputError(
      'IMAGE_UNREADABLE',
      `${name}: expected a JPEG, PNG, WebP or TIFF image of ${inputPixelsMax} pixels at most, it cannot be decoded; replace or remove it`,
      {},
      { cause },
    );
  }
}

function toThreeChannels(data: Uint8Array, channels: number, size: number): Uint8Array {
  const pixels = size * size;
  if (data.length !== pixels * channels) throw new RangeError('decoder: expected S x S pixels');
  if (channels === 3) return new Uint8Array(data);
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const from = channels < 3 ? 0 : channel; // one or two channels: grey, with or without alpha
      rgb[3 * pixel + channel] = data[pixel * channels + from] ?? 0;
    }
  }
  return rgb;
}
