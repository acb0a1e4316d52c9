/** What a run of the demo found, and how it is told to programs. */

/** Figures of one adapter on the union of the held-out images; null where one is not defined. */
export interface Figures {
  readonly auc: number | null;
  readonly accuracy: number | null;
}

/** One hospital beside the federation. */
export interface HospitalOutcome {
  readonly name: string;
  readonly trainingImages: number;
  readonly heldOutImages: number;
  /** Training images by class, in the order of the task's classes. */
  readonly classCounts: readonly number[];
  /** What it reaches alone, with as many epochs. */
  readonly alone: Figures;
  /** Bytes of all its messages up to its last update of the federated task. */
  readonly bytesSent: number;
}

/** Everything that the table, the page and the JSON line are made of. */
export interface DemoOutcome {
  readonly title: string;
  /** What the images are, plainly. */
  readonly imagesNote: string;
  readonly backbone: string;
  readonly classes: readonly string[];
  readonly seed: number;
  /** Of the federated adapter, version 0 first. */
  readonly byRound: readonly Figures[];
  readonly hospitals: readonly HospitalOutcome[];
  readonly headOnly: Figures;
  readonly pooled: Figures;
  readonly federated: Figures;
  readonly heldOutImages: number;
  readonly seconds: { readonly install: number; readonly build: number; readonly run: number };
  /** Bytes of the adapter's file. */
  readonly adapterBytes: number;
  /** Where the adapter and the report lie. */
  readonly adapter: string;
  readonly report: string;
}

const tenth = (seconds: number): number => Math.round(10 * seconds) / 10;

/** The JSON line: figures are macro AUC, and accuracies stand apart under `accuracy`. */
export function outcomeJson(outcome: DemoOutcome): Readonly<Record<string, unknown>> {
  const { hospitals, headOnly, pooled, federated, seconds } = outcome;
  return {
    aucByRound: outcome.byRound.map(({ auc }) => auc),
    accuracyByRound: outcome.byRound.map(({ accuracy }) => accuracy),
    localOnly: hospitals.map(({ alone }) => alone.auc),
    headOnly: headOnly.auc,
    pooled: pooled.auc,
    federated: federated.auc,
    accuracy: {
      localOnly: hospitals.map(({ alone }) => alone.accuracy),
      headOnly: headOnly.accuracy,
      pooled: pooled.accuracy,
      federated: federated.accuracy,
    },
    bytesSent: Object.fromEntries(hospitals.map(({ name, bytesSent }) => [name, bytesSent])),
    seconds: {
      install: tenth(seconds.install),
      build: tenth(seconds.build),
      run: tenth(seconds.run),
    },
    adapter: outcome.adapter,
    report: outcome.report,
    images: outcome.imagesNote,
  };
}
