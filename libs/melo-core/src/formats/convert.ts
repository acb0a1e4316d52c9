/** A foreign adapter becomes one of ours: its numbers with a card that says what they are for. */
import {
  adapterCardSchema,
  adapterLayout,
  adapterNotice,
  decodeAdapterFile,
  encodeAdapterFile,
  specificationOf,
  type AdapterCard,
  type AdapterFile,
} from '#core/adapter';
import { InputError } from '#core/errors';
import type { ForeignAdapter } from './foreign.ts';
import { restoreFromOrigin } from './origin.ts';

/** What a card needs and another tool's file does not have; what is left out comes from the origin, where there is one. */
export interface CardDetails {
  readonly task?: string | undefined;
  readonly title?: string | undefined;
  /** In the order of the head's rows. */
  readonly classes?: readonly string[] | undefined;
  readonly backbone?: AdapterCard['backbone'] | undefined;
  readonly preprocessing?: AdapterCard['preprocessing'] | undefined;
  readonly activation?: AdapterCard['activation'] | undefined;
}

/** One of our adapters, made of another tool's. */
export interface ConvertedAdapter {
  /** The native file. */
  readonly bytes: Uint8Array;
  readonly file: AdapterFile;
  /** Whether it is, byte for byte, the native file that the other one had been written from. */
  readonly isRestored: boolean;
  readonly notes: readonly string[];
}

/**
 * Make a native adapter file of a foreign adapter.
 *
 * Where the file came from our own writer, the numbers are still the same and nothing of the card is given anew, the result is the
 * very file it came from. Else the card is a new one: version 0, no lineage, aggregation `imported`, a public seed of zeros.
 *
 * @param foreign - what `decodePeft` or `decodeOfficial` read
 * @param details - of the card; `library` goes into it, e.g. `melo-federation 0.1.0`
 * @throws InputError ADAPTER_INVALID naming what the card lacks or what does not fit the numbers
 */
export function convertToNative(
  foreign: ForeignAdapter,
  details: CardDetails & { readonly library: string },
): ConvertedAdapter {
  const { origin, values, specification } = foreign;
  const { library, ...given } = details;
  const isNothingGiven = Object.values(given).every((value) => value === undefined);
  if (origin !== null && isNothingGiven) {
    const bytes = restoreFromOrigin(origin, { values, scale: specification.scale });
    // The notes are about what the format cannot hold, and all of it is here again.
    if (bytes !== null) {
      return { bytes, file: decodeAdapterFile(bytes), isRestored: true, notes: [] };
    }
  }
  const notes = [...foreign.notes];
  if (origin !== null) {
    notes.push(
      `the card of version ${origin.card.version} of ${origin.card.task} describes the file, its lineage is left out`,
    );
  }
  const card = importedCard(foreign, details, notes);
  const bytes = encodeAdapterFile({ specification: specificationOf(card), values, card });
  return { bytes, file: decodeAdapterFile(bytes), isRestored: false, notes };
}

function importedCard(
  foreign: ForeignAdapter,
  details: CardDetails & { readonly library: string },
  notes: string[],
): AdapterCard {
  const { specification } = foreign;
  const known = foreign.origin?.card;
  const backbone = details.backbone ?? known?.backbone;
  const preprocessing = details.preprocessing ?? known?.preprocessing;
  if (backbone === undefined || preprocessing === undefined) {
    throw cardInvalid('it lacks the backbone and its preprocessing', 'backbone');
  }
  const { dimension, blocks, rank, alpha, scale } = specification;
  if (backbone.dimension !== dimension || backbone.blocks !== blocks) {
    throw cardInvalid(
      `the backbone has D = ${backbone.dimension} and ${backbone.blocks} blocks, the adapter is for D = ${dimension} and ${blocks}`,
      'backbone',
    );
  }
  const task = details.task ?? known?.task;
  if (task === undefined) throw cardInvalid('it lacks the name of the task', 'task');
  const classes = details.classes ?? known?.classes ?? specification.classes;
  if (classes.length !== specification.classes.length) {
    throw cardInvalid(
      `it names ${classes.length} classes, the head has ${specification.classes.length}`,
      'classes',
    );
  }
  if (classes === specification.classes) {
    notes.push(`the classes have no names in this file: they are called ${classes.join(', ')}`);
  }
  const described = { rank, alpha, classes, backbone };
  const layout = adapterLayout(specificationOf(described));
  const activation = details.activation ?? known?.activation;
  const parsed = adapterCardSchema.safeParse({
    ...{ format: 'melo-adapter/1', task, title: details.title ?? known?.title ?? task },
    ...{ ...described, scale, preprocessing, version: 0 },
    ...(activation === undefined ? {} : { activation }),
    trainedTensors: { selection: 'all', count: layout.tensors.length },
    aggregation: { method: 'imported', weights: 'equal' },
    lineage: { parentDigest: null, round: null, members: [] },
    ...{ layoutHash: layout.hash, publicSeed: '00'.repeat(32), notice: adapterNotice },
    software: { library: details.library, engine: `imported from ${foreign.format}` },
  });
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') || 'card';
  throw cardInvalid(`field ${field} does not fit`, field);
}

function cardInvalid(what: string, field: string): InputError {
  return new InputError('ADAPTER_INVALID', `card: ${what}; give it with the --card options`, {
    field,
  });
}
