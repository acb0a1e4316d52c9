/** What must hold whatever call fails. */
export const rules = {
  stuck: 'a round is published or abandoned with its reason, and the coordinator goes on by itself',
  bytes: 'a version is exactly what the updates of its members give',
  lost: 'what was acknowledged is there',
  twice: 'no site is counted twice',
  serving: 'the coordinator answers afterwards',
  audit: 'every entry of the audit log is in one chain that verifies',
  refusal: 'a failure that passes is told as one that passes',
  start: 'a start that fails leaves the next one a clean state',
} as const;

/** The name of a rule. */
export type Rule = keyof typeof rules;

/** A rule that was broken. */
export class Violation extends Error {
  readonly rule: Rule;

  constructor(rule: Rule, what: string) {
    super(`${rule} (${rules[rule]}): ${what}`);
    this.rule = rule;
  }
}

/** Break a rule unless a condition holds. */
export function hold(rule: Rule, condition: boolean, what: string): asserts condition {
  if (!condition) throw new Violation(rule, what);
}
