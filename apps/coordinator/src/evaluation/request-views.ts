/** Requests for evaluations as people see them. */
import { decodePayload, evaluationRequestSchema } from '#core/protocol';
import type { ItemRecord, RequestRecord } from './evaluation-request-store.ts';
import type { EvaluationRequestView } from './evaluation-requests.contract.ts';

/** The digest of the adapter that a request is about, as it was signed. */
export function digestAsked({ payload }: Pick<RequestRecord, 'payload'>): string | null {
  const { versions } = decodePayload(evaluationRequestSchema, payload, 'stored request');
  return versions[0]?.adapterDigest ?? null;
}

/** What became of an item, for people. */
export function describeItem({ state, reason, code }: ItemRecord): string {
  const why = [code, reason].filter((part) => part !== null).join(': ');
  const words = state === 'asked' ? 'asked, no report yet' : state;
  return why === '' ? words : `${words}, ${why}`;
}

/** A request as people see it. */
export function viewOf(record: RequestRecord): EvaluationRequestView {
  const { payload: _, signature: _signature, items, wrappedKey: _key, ...stored } = record;
  const { ciphertextDigest: _digest, ciphertextBytes: _bytes, ...request } = stored;
  const missing = items.filter(({ state }) => state !== 'done');
  const { subject } = request;
  const isUpload = subject === 'baseline-upload';
  const done = `${items.length - missing.length} of ${items.length} ${isUpload ? 'adapters' : 'evaluations'}`;
  const names = missing.map((item) => {
    const which = isUpload || subject === 'cross' ? '' : ` (version ${item.version})`;
    return `${item.site}${which}: ${describeItem(item)}`;
  });
  return {
    ...request,
    summary: names.length === 0 ? done : `${done}, without ${names.join('; ')}`,
    items: items.map(({ request: _request, ...item }) => item),
  };
}
