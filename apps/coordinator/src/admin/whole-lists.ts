/** Lists that a command needs from end to end. */
import { request } from '#api';
import { siteRoutes } from '../sites/sites.contract.ts';
import { taskRoutes } from '../tasks/tasks.contract.ts';

/** Asks for a page of the sites. */
export const sitePages = (cursor: string | undefined) =>
  request('GET', '/v1/sites', siteRoutes.list.response, { query: { cursor } });

/** Asks for a page of the tasks. */
export const taskPages = (cursor: string | undefined) =>
  request('GET', '/v1/tasks', taskRoutes.list.response, { query: { cursor } });
