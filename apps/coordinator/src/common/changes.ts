/** What changed, by topic: the pages of people hear of it and look again. No content passes here. */
import { Injectable } from '@nestjs/common';

/** What may have changed. */
export const changeTopics = [
  'sites',
  'tasks',
  'rounds',
  'versions',
  'evaluations',
  'webhooks',
] as const;
/** What may have changed. */
export type ChangeTopic = (typeof changeTopics)[number];

/** Called after something may have changed. */
export type ChangeListener = (topics: readonly ChangeTopic[]) => void;

/** What changed, by topic. */
@Injectable()
export class Changes {
  readonly #listeners = new Set<ChangeListener>();

  /** Say that something may have changed; saying it too often costs a look, never a wrong figure. */
  publish(...topics: readonly ChangeTopic[]): void {
    for (const listener of this.#listeners) listener(topics);
  }

  subscribe(listener: ChangeListener): void {
    this.#listeners.add(listener);
  }
}
