/** Which routes a path belongs to. */
import { allRoutes } from './contracts.ts';
import type { RouteContract } from './contract.ts';

const patterns = allRoutes.map((contract) => ({
  contract,
  pattern: new RegExp(`^${contract.path.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+')}$`),
}));

/** The route that serves a request. */
export function routeOf(method: string, path: string): RouteContract | undefined {
  return patterns.find(({ contract, pattern }) => contract.method === method && pattern.test(path))
    ?.contract;
}

/** The methods that a path may be asked with; none where it belongs to no route. */
export function methodsOf(path: string): readonly string[] {
  const methods = patterns
    .filter(({ pattern }) => pattern.test(path))
    .map(({ contract }) => contract.method);
  return [...new Set(methods)];
}
