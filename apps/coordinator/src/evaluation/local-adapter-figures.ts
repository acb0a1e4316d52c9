/** Adapters that sites trained alone, each on every site's held-out images: one row for every member of the task. */
import { activationOfLoss, type SiteId, type TaskDefinition } from '#core/protocol';
import type { ItemRecord, RequestRecord } from './evaluation-request-store.ts';
import type { StoredEvaluation } from './evaluation-figures.service.ts';
import type { AbsentSite, LocalAdapterEvaluation } from './evaluation.contract.ts';
import { siteFigures } from './figure-views.ts';
import { digestAsked } from './request-views.ts';

/** Collect the rows in the order of the members; none where the task does not ask for them. */
export function localAdapterFigures({
  definition,
  rows,
  requests,
  describe,
}: {
  readonly definition: TaskDefinition;
  readonly rows: readonly StoredEvaluation[];
  readonly requests: readonly RequestRecord[];
  /** Why a site is in no figure. */
  readonly describe: (site: SiteId, item: ItemRecord | undefined) => AbsentSite;
}): LocalAdapterEvaluation[] {
  if (definition.crossEvaluation !== true) return [];
  const activation = activationOfLoss(definition.plan.loss);
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
      ...siteFigures(found, activation),
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
