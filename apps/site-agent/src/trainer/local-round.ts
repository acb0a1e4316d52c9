/** A local round without files: what the trainer process and a simulation both make of the settings, the site's images and what it kept. */
import { adapterDelta, type AdapterLayout } from '#core/adapter';
import { isPrivateTensor, keepsSiteState } from '#core/protocol';
import {
  classLogPriors,
  type LabelledImages,
  type LocalTrainingOptions,
  type LocalTrainingResult,
  type SiteState,
} from '#core/training';
import type { TrainingSettings } from './messages.ts';

/** What a site starts a round with. */
export interface RoundStart {
  readonly layout: AdapterLayout;
  /** The global adapter with what this site keeps to itself, (P). */
  readonly values: Float32Array;
  readonly siteState: SiteState;
}

/** What the plan and the site's step make of the local loop. */
export function localTraining(
  { site, ...settings }: TrainingSettings,
  { layout, values, siteState }: RoundStart,
  images: LabelledImages,
): Omit<LocalTrainingOptions, 'model'> {
  const { trainedTensors } = settings;
  const names = layout.tensors.map(({ name }) => name);
  const own = names.filter((name) => isPrivateTensor(name, site?.privatePart));
  const classes = layout.tensors.find(({ name }) => name === 'head.bias')?.size ?? 0;
  const { proximalWeight: weight, classPriorCorrection, optimiserState } = site ?? {};
  return {
    ...settings,
    images,
    global: values,
    trainedTensors: [...new Set([...trainedTensors, ...own])],
    ...(weight === undefined ? {} : { proximal: { weight, trainedTensors } }),
    ...(classPriorCorrection === true ? { logPriors: classLogPriors(images.labels, classes) } : {}),
    ...(optimiserState === 'kept' ? { moments: siteState.moments } : {}),
  };
}

/** The change that is sent: what stays at the site has none. */
export function sentChange(
  { site }: TrainingSettings,
  { layout, values }: RoundStart,
  trained: Float32Array,
): Float32Array {
  const delta = adapterDelta(trained, values);
  for (const { name, offset, size } of layout.tensors)
    if (isPrivateTensor(name, site?.privatePart)) delta.fill(0, offset, offset + size);
  return delta;
}

/** What the site keeps of a round for its next one; null where that is nothing. */
export function keptState(
  { site }: TrainingSettings,
  { layout, siteState }: RoundStart,
  { values, moments }: LocalTrainingResult,
): SiteState | null {
  if (!keepsSiteState(site)) return null;
  const own = layout.tensors.filter(({ name }) => isPrivateTensor(name, site?.privatePart));
  return {
    tensors: new Map(
      own.map(({ name, offset, size }) => [name, values.slice(offset, offset + size)]),
    ),
    moments: new Map(site?.optimiserState === 'kept' ? [...siteState.moments, ...moments] : []),
  };
}
