/** REST of tasks. */
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { CallersService } from '../users/callers.service.ts';
import { taskRoutes, type TaskView } from './tasks.contract.ts';
import { TaskLineageService } from './task-lineage.service.ts';
import { TasksService } from './tasks.service.ts';

type In<Name extends keyof typeof taskRoutes> = RouteInput<(typeof taskRoutes)[Name]>;

@Controller()
export class TasksController {
  readonly #tasks: TasksService;

  readonly #lineage: TaskLineageService;

  readonly #callers: CallersService;

  constructor(tasks: TasksService, lineage: TaskLineageService, callers: CallersService) {
    this.#tasks = tasks;
    this.#lineage = lineage;
    this.#callers = callers;
  }

  @Route(taskRoutes.list)
  async list(
    @Req() request: Request,
    @Input(taskRoutes.list) { query }: In<'list'>,
  ): Promise<RouteOutput<typeof taskRoutes.list>> {
    const { site } = this.#callers.get(request);
    const { items: tasks, nextCursor } = await this.#tasks.list(site, query);
    return { tasks, nextCursor };
  }

  @Route(taskRoutes.create)
  create(@Input(taskRoutes.create) { query, body }: In<'create'>): Promise<TaskView> {
    return this.#tasks.create(body, query.start === 'true');
  }

  @Route(taskRoutes.get)
  get(@Input(taskRoutes.get) { params }: In<'get'>): Promise<TaskView> {
    return this.#tasks.get(params.task);
  }

  @Route(taskRoutes.start)
  start(@Input(taskRoutes.start) { params, body }: In<'start'>): Promise<TaskView> {
    return this.#tasks.start(params.task, body.ifRevision);
  }

  @Route(taskRoutes.pause)
  pause(@Input(taskRoutes.pause) { params, body }: In<'pause'>): Promise<TaskView> {
    return this.#tasks.pause(params.task, body);
  }

  @Route(taskRoutes.resume)
  resume(@Input(taskRoutes.resume) { params, body }: In<'resume'>): Promise<TaskView> {
    return this.#tasks.resume(params.task, body.ifRevision);
  }

  @Route(taskRoutes.cancel)
  cancel(@Input(taskRoutes.cancel) { params, body }: In<'cancel'>): Promise<TaskView> {
    return this.#tasks.cancel(params.task, body);
  }

  @Route(taskRoutes.promote)
  async promote(@Input(taskRoutes.promote) { params, body }: In<'promote'>): Promise<TaskView> {
    await this.#lineage.promote(params.task, body);
    return this.#tasks.get(params.task);
  }

  @Route(taskRoutes.rerun)
  async rerun(@Input(taskRoutes.rerun) { params, body }: In<'rerun'>): Promise<TaskView> {
    await this.#lineage.rerun(params.task, body);
    return this.#tasks.get(params.task);
  }

  @Route(taskRoutes.rollback)
  async rollback(@Input(taskRoutes.rollback) { params, body }: In<'rollback'>): Promise<TaskView> {
    const { toVersion, ...rest } = body;
    await this.#lineage.rerun(
      params.task,
      { fromVersion: toVersion, ...rest },
      { promoted: toVersion },
    );
    return this.#tasks.get(params.task);
  }

  @Route(taskRoutes.schedule)
  schedule(@Input(taskRoutes.schedule) { params, body }: In<'schedule'>): Promise<TaskView> {
    return this.#tasks.schedule(params.task, body);
  }
}
