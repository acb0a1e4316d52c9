/** Adapters that sites trained alone, each on every site's held-out images: one row for every member of the task. */
import type { SiteId, TaskDefinition } from '#core/protocol';
import type { ItemRecord, RequestRecord } from './evaluation-request-store.ts';
import type { EvaluationRow } from './evaluation-figures.service.ts';
import type { AbsentSite, LocalAdapterEvaluation } from './evaluation.contract.ts';
import { digestAsked } from './request-views.ts';

/** What is known of one site's adapter, with the reports on it. */
export interface LocalAdapter<Row> extends Omit<
  LocalAdapterEvaluation,
  'pooled' | 'pooledIntervals' | 'sites'
> {
  readonly found: readonly Row[];
}

/** Collect them in the order of the members; none where the task does not ask for them. */
export function localAdaptersOf<Row extends EvaluationRow>({
  definition,
  rows,
  requests,
  describe,
}: {
  readonly definition: TaskDefinition;
  readonly rows: readonly Row[];
  readonly requests: readonly RequestRecord[];
  /** Why a site is in no figure. */
  readonly describe: (site: SiteId, item: ItemRecord | undefined) => AbsentSite;
}): LocalAdapter<Row>[] {
  if (definition.crossEvaluation !== true) return [];
  const uploads = requests.find(({ subject }) => subject === 'baseline-upload')?.items ?? [];
  return definition.members.map((owner) => {
    const upload = uploads.find(({ site }) => site === owner);
    const request = requests.find((each) => each.owner === owner);
    const found = rows.filter((row) => row.subject === 'cross' && row.owner === owner);
    const missing = definition.members.filter((site) => !found.some((row) => row.site === site));
    const isThere = upload?.state === 'done';
    const absence = describe(owner, upload);
    return {
      owner,
      state: upload?.state ?? 'asked',
      reason: isThere ? null : absence.reason,
      adapterDigest: request === undefined ? null : digestAsked(request),
      isKept: request !== undefined && request.ciphertextDigest !== null,
      found,
      absent: missing.map((site) => {
        if (!isThere) return { site, state: null, reason: `no adapter of ${owner}` };
        return describe(
          site,
          request?.items.find((item) => item.site === site),
        );
      }),
    };
  });
}
