/** Whether an answer is one that the contract of its route tells: every spec that calls REST is a test of the document. */
import { problemMediaType, problemSchema, type RouteContract } from '../common/contract.ts';
import { refusalsByStatus } from '../common/refusals.ts';
import { methodsOf, routeOf } from '../common/route-paths.ts';

/** Throw unless an answer's status, media type and code are documented. */
export async function expectDocumented(
  method: string,
  path: string,
  response: Response,
): Promise<void> {
  const { pathname } = new URL(path, 'http://coordinator');
  const contract = routeOf(method, pathname);
  const mediaType = response.headers.get('content-type')?.split(';')[0] ?? '';
  const undocumented = (what: string): Error =>
    new Error(`${method} ${path}: answered ${response.status} ${mediaType}, ${what}`);
  if (isSuccess(contract, response.status)) {
    const expected = contract?.mediaType ?? 'application/json';
    if (mediaType !== expected) throw undocumented(`expected ${expected}`);
    return;
  }
  if (mediaType !== problemMediaType) throw undocumented(`expected ${problemMediaType}`);
  const { code, status } = problemSchema.parse(await response.clone().json());
  if (status !== response.status) throw undocumented(`expected the problem's own status ${status}`);
  const documented =
    contract === undefined
      ? [methodsOf(pathname).length === 0 ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED']
      : (refusalsByStatus(contract).get(status) ?? []);
  if (!documented.some((each) => each === code)) throw undocumented(`${code} is not documented`);
}

const isSuccess = (contract: RouteContract | undefined, status: number): boolean =>
  contract !== undefined && (status === contract.status || status === contract.otherStatus);
