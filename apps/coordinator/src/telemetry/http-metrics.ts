/** Counts requests over HTTP by the template of their route: what a caller writes into a path is no label. */
import type { NextFunction, Request, Response } from 'express';
import { routeOf } from '../common/route-paths.ts';
import type { Metrics } from './metrics.ts';

/** What stands for a path that belongs to no route, and for a method that none takes. */
const other = 'other';

/** Count every request once its answer is on its way. */
export function countRequests(metrics: Metrics) {
  return ({ method, path }: Request, response: Response, next: NextFunction): void => {
    const contract = routeOf(method, path);
    const route = contract?.path ?? other;
    const done = metrics.httpSeconds.startTimer({ route });
    response.once('close', () => {
      done();
      const status = String(response.statusCode);
      metrics.httpRequests.inc({ method: contract?.method ?? other, route, status });
    });
    next();
  };
}
