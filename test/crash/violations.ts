/** What must never happen, and where it did. */

/** Everything that a run watches for. */
export const rules = {
  'lost-acknowledged': 'an update that was acknowledged is not among those of its round',
  'wrong-sum': 'a version is not the weighted sum of the members recorded',
  'counted-twice': 'a site stands twice in a round',
  'sent-again': 'a range was sent although it had been acknowledged',
  'sealed-twice': 'a site sealed another update for the same attempt',
  fork: 'one version has two results, or a result does not name the one before',
  'no-reason': 'an attempt or a member ended without a reason',
  'not-serving': 'the coordinator did not serve again in time',
  'left-out': 'a site was suspended, or did not come back',
  'ended-by-itself': 'a process ended although nobody killed it',
  'not-reached': 'a crash point was never reached',
  'piled-up': 'files of interrupted work are left',
  'not-witnessed': 'bytes went by that could not be understood',
  stuck: 'no version was published for a long time',
} as const;
/** Name of a rule. */
export type Rule = keyof typeof rules;

/** One breach. */
export interface Violation {
  readonly rule: Rule;
  readonly what: string;
}

/** The breaches of one run. */
export class Violations {
  readonly #list: Violation[] = [];

  /** Note a breach. */
  add(rule: Rule, what: string): void {
    this.#list.push({ rule, what });
  }

  /** All of them, in the order they were seen. */
  get list(): readonly Violation[] {
    return this.#list;
  }
}
