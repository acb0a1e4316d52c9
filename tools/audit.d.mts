/** One known vulnerability. */
export interface AuditFinding {
  readonly name: string;
  readonly severity: string;
  readonly range: string;
}
/** What a run of npm audit came to. */
export type Audit =
  | { readonly isChecked: true; readonly findings: readonly AuditFinding[] }
  | { readonly isChecked: false; readonly reason: string };
export function readAudit(output: string): Audit;
export function auditStatus(audit: Audit): number;
