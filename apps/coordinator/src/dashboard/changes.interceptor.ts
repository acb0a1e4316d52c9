/** After every command over REST: pages look again. */
import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { Request } from 'express';
import { tap, type Observable } from 'rxjs';
import { Changes } from '../common/changes.ts';

/** After every command over REST: pages look again. */
@Injectable()
export class ChangesInterceptor implements NestInterceptor {
  readonly #changes: Changes;

  constructor(changes: Changes) {
    this.#changes = changes;
  }

  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    const { method } = context.switchToHttp().getRequest<Request>();
    if (context.getType() !== 'http' || method === 'GET') return next.handle();
    return next.handle().pipe(
      tap(() => {
        this.#changes.publish('sites', 'tasks', 'rounds', 'versions', 'webhooks');
      }),
    );
  }
}
