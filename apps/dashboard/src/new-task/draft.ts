/** A task as it is being written: what a person fills in, and the definition that follows from it. */
import type { Aggregation, BodyOf } from '#api';
import type { Definition } from '../api/schemas.ts';

/** A frozen ViT, as a task names it. */
export interface Backbone {
  readonly name: string;
  readonly fingerprint: string;
  readonly dimension: number;
  readonly blocks: number;
  readonly patchSize: number;
  readonly imageSize: number;
}

/** Shapes of known backbones; the fingerprint is what a site reports of the one that it holds. */
export const knownBackbones: readonly Omit<Backbone, 'fingerprint'>[] = [
  { name: 'vit_tiny_patch16_224', dimension: 192, blocks: 12, patchSize: 16, imageSize: 224 },
  { name: 'vit_small_patch16_224', dimension: 384, blocks: 12, patchSize: 16, imageSize: 224 },
  { name: 'vit_base_patch16_224', dimension: 768, blocks: 12, patchSize: 16, imageSize: 224 },
];

/** What a person fills in; numbers as they are typed. */
export interface Draft {
  readonly task: string;
  readonly title: string;
  readonly classes: string;
  readonly backbone: string;
  readonly fingerprint: string;
  readonly samplesMinimum: string;
  readonly trained: 'all' | 'head';
  readonly rank: string;
  readonly method: Aggregation['method'];
  readonly epochs: string;
  readonly batchSize: string;
  readonly learningRate: string;
  readonly augmentation: 'none' | 'sided' | 'mirrored';
  /** Whether training makes up for shares of the classes that differ from site to site. */
  readonly classPriorCorrection: boolean;
  readonly localBaseline: boolean;
  readonly crossEvaluation: boolean;
  readonly rounds: string;
  readonly quorumSites: string;
  readonly deadlineHours: string;
  readonly members: readonly string[];
  readonly publicSeed: string;
}

/** What a form begins with. */
export function emptyDraft(publicSeed: string): Draft {
  return {
    task: '',
    title: '',
    classes: '',
    backbone: 'vit_tiny_patch16_224',
    fingerprint: '',
    samplesMinimum: '',
    trained: 'all',
    rank: '4',
    method: 'fedavg',
    epochs: '1',
    batchSize: '16',
    learningRate: '0.002',
    augmentation: 'none',
    classPriorCorrection: true,
    localBaseline: true,
    crossEvaluation: false,
    rounds: '10',
    quorumSites: '2',
    deadlineHours: '6',
    members: [],
    publicSeed,
  };
}

/** Classes in the order in which they are written, between commas or on lines of their own. */
export function classesOf(text: string): readonly string[] {
  return text
    .split(/[,\n]/)
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

const half = [0.5, 0.5, 0.5] as const;

const augmentations = {
  none: { name: 'none' },
  sided: {
    name: 'standard',
    laterality: true,
    rotationDegrees: 10,
    cropAreaMin: 0.8,
    brightness: 0.2,
    contrast: 0.2,
  },
  mirrored: {
    name: 'standard',
    laterality: false,
    horizontalFlipShare: 0.5,
    rotationDegrees: 10,
    cropAreaMin: 0.8,
    brightness: 0.2,
    contrast: 0.2,
  },
} as const;

/** The definition that a draft stands for, in the form that the coordinator and `melo admin tasks create` take. */
export function definitionOf(draft: Draft) {
  const shape = knownBackbones.find(({ name }) => name === draft.backbone);
  const {
    name,
    dimension = 0,
    blocks = 0,
    patchSize = 16,
    imageSize = 224,
  } = shape ?? { name: draft.backbone };
  const rounds = Number(draft.rounds);
  return {
    version: 1,
    task: draft.task.trim(),
    title: draft.title.trim(),
    mode: 'clear',
    backbone: { name, fingerprint: draft.fingerprint, dimension, blocks, patchSize, imageSize },
    preprocessing: {
      version: 1,
      imageSize,
      resize: 'fill',
      crop: 'none',
      kernel: 'cubic',
      channels: 'rgb',
      mean: [...half],
      std: [...half],
    },
    classes: [...classesOf(draft.classes)],
    rank: Number(draft.rank),
    alpha: Number(draft.rank),
    publicSeed: draft.publicSeed,
    trainedTensors: draft.trained,
    plan: {
      version: 1,
      optimiser: { name: 'adamw', learningRate: Number(draft.learningRate) },
      schedule: { name: 'cosine', totalRounds: rounds },
      duration: { unit: 'epochs', count: Number(draft.epochs) },
      batchSize: Number(draft.batchSize),
      loss: { name: 'cross-entropy', labelSmoothing: 0 },
      augmentation: augmentations[draft.augmentation],
      seed: 1,
    },
    aggregation: { method: draft.method, weights: 'samples' },
    ...(draft.classPriorCorrection ? { site: { classPriorCorrection: true } } : {}),
    rounds,
    rules: {
      quorumSites: Number(draft.quorumSites),
      deadlineMs: Math.round(Number(draft.deadlineHours) * 3_600_000),
      ...(draft.samplesMinimum === '' ? {} : { samplesMinimum: Number(draft.samplesMinimum) }),
    },
    ...(draft.localBaseline ? { localBaseline: true } : {}),
    ...(draft.localBaseline && draft.crossEvaluation ? { crossEvaluation: true } : {}),
    members: [...draft.members],
  } satisfies BodyOf<'/v1/tasks'>;
}

const isWhole = (text: string, least: number, most: number): boolean =>
  /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most;
const isNumber = (text: string, most: number): boolean =>
  text.trim() !== '' && Number(text) > 0 && Number(text) <= most;

/** What still hinders, by field; the coordinator checks the whole again. */
export function problemsOf(draft: Draft): Readonly<Partial<Record<keyof Draft, string>>> {
  const classes = classesOf(draft.classes);
  const checks: readonly (readonly [keyof Draft, boolean, string])[] = [
    [
      'task',
      /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/.test(draft.task.trim()),
      'Small letters, digits and hyphens, e.g. chest-xray.',
    ],
    ['title', draft.title.trim() !== '', 'A title that people understand.'],
    [
      'classes',
      classes.length >= 2 && new Set(classes).size === classes.length,
      'At least two classes, each once, between commas.',
    ],
    [
      'fingerprint',
      /^[0-9a-f]{64}$/.test(draft.fingerprint),
      'The fingerprint of the backbone, 64 hexadecimal digits.',
    ],
    [
      'samplesMinimum',
      draft.samplesMinimum === '' || isWhole(draft.samplesMinimum, 1, 10_000_000),
      'A whole number, or nothing.',
    ],
    ['rank', isWhole(draft.rank, 1, 64), '1 to 64.'],
    ['epochs', isWhole(draft.epochs, 1, 100), '1 to 100.'],
    ['batchSize', isWhole(draft.batchSize, 1, 512), '1 to 512.'],
    ['learningRate', isNumber(draft.learningRate, 1), 'Above 0, at most 1.'],
    ['rounds', isWhole(draft.rounds, 1, 10_000), '1 to 10000.'],
    ['deadlineHours', isNumber(draft.deadlineHours, 720), 'Above 0, at most 720.'],
    ['members', draft.members.length > 0, 'At least one site.'],
    [
      'quorumSites',
      isWhole(draft.quorumSites, 1, Math.max(1, draft.members.length)),
      'At least 1, and no more than there are members.',
    ],
  ];
  return Object.fromEntries(
    checks.filter(([, isGood]) => !isGood).map(([name, , problem]) => [name, problem]),
  );
}

/** What a task costs, before it starts. */
export interface Cost {
  /** Numbers that are trained and sent. */
  readonly parameters: number;
  /** Bytes that one site sends in a round, and gets. */
  readonly bytesEachWay: number;
  /** Bytes over all rounds and sites, both ways. */
  readonly bytesInAll: number;
  /** Milliseconds after which it has ended in any case, where every round takes until its deadline. */
  readonly longestMs: number;
}

const bytesPerNumber = 4;

/** What a task's cost follows from. */
export interface Costed {
  readonly backbone: {
    readonly fingerprint: string;
    readonly dimension: number;
    readonly blocks: number;
  };
  readonly rank: number;
  readonly classes: readonly string[];
  readonly trainedTensors: string | readonly string[];
  readonly members: readonly string[];
  readonly rounds: number;
  readonly rules: { readonly deadlineMs: number };
}

/**
 * Work out what a task costs: A and B of q and v in every block (4 r D each), and the head (D x C and C biases). Where single
 * tensors are named all of them are counted, which is the most that it can be.
 */
export function costOf(definition: Costed): Cost {
  const { backbone, rank, classes, trainedTensors, members, rounds, rules } = definition;
  const head = backbone.dimension * classes.length + classes.length;
  const lora = 4 * rank * backbone.dimension * backbone.blocks;
  const parameters = trainedTensors === 'head' ? head : lora + head;
  // The whole adapter goes down, what is trained goes up.
  const bytesEachWay = bytesPerNumber * parameters;
  const down = bytesPerNumber * (lora + head);
  return {
    parameters,
    bytesEachWay,
    bytesInAll: rounds * members.length * (bytesEachWay + down),
    longestMs: rounds * rules.deadlineMs,
  };
}

/** Median of how long published rounds of a task took; null where there were none. */
export function medianMs(spans: readonly number[]): number | null {
  const ordered = spans.toSorted((left, right) => left - right);
  return ordered[Math.floor(ordered.length / 2)] ?? null;
}

/** Whether a task that is there trains on the same backbone, so that its rounds tell how long the new ones take. */
export function isAlike(definition: Definition, fingerprint: string): boolean {
  return definition.backbone.fingerprint === fingerprint;
}
