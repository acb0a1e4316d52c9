/** How much of a plan is done, in passes over images: what all of it takes is guessed from the images of its first sites. */
import { canonicalJson } from '#core/bytes';
import { forwardPass, headPass, passesOf, type Column } from './columns.ts';
import type { Run } from './plan.ts';

/** A column of one run with one seed. */
export interface ColumnOfRun {
  readonly run: Run;
  readonly seed: number;
  readonly column: Column;
}

/** Images of all sites together. */
interface ImageCounts {
  readonly training: number;
  readonly heldOut: number;
}

/** The same for columns that are the same work. */
function keyOf({ run, seed, column }: ColumnOfRun): string {
  const { sites, partition } = run;
  const { definition, trainedAt } = column;
  return canonicalJson({ sites, partition, seed, definition, trainedAt });
}

function expectedPasses(
  { run, column }: ColumnOfRun,
  images: ImageCounts,
  measureEvery: number,
): number {
  const { definition, name } = column;
  const training = name === 'local-only' ? images.training / run.sites : images.training;
  const measured = Math.ceil(definition.rounds / measureEvery);
  const each = name === 'head-only' ? headPass : forwardPass;
  return passesOf(column, training) + measured * images.heldOut * each;
}

/** Counts passes; a column that is over counts as expected, whatever of it was done in this process. */
export class Tally {
  readonly #left = new Map<string, number>();
  readonly #total: number;
  #ended = 0;
  #ofColumn = 0;
  #worked = 0;

  constructor(columns: readonly ColumnOfRun[], images: ImageCounts, measureEvery: number) {
    for (const each of columns)
      this.#left.set(keyOf(each), expectedPasses(each, images, measureEvery));
    this.#total = [...this.#left.values()].reduce((sum, passes) => sum + passes, 0);
  }

  /** Passes of the column under way. */
  add(passes: number): void {
    this.#ofColumn += passes;
    this.#worked += passes;
  }

  /** The column under way is over. */
  end(column: ColumnOfRun): void {
    const key = keyOf(column);
    this.#ended += this.#left.get(key) ?? 0;
    this.#left.delete(key); // its like in another run costs nothing more
    this.#ofColumn = 0;
  }

  /** Passes that are done, those of all columns, and those that time was spent on. */
  get passes(): { readonly done: number; readonly total: number; readonly worked: number } {
    const done = Math.min(this.#total, this.#ended + this.#ofColumn);
    return { done, total: this.#total, worked: this.#worked };
  }
}
