/** REST of tasks. */
import { Controller } from '@nestjs/common';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { taskRoutes, type TaskView } from './tasks.contract.ts';
import { TasksService } from './tasks.service.ts';

type In<Name extends keyof typeof taskRoutes> = RouteInput<(typeof taskRoutes)[Name]>;

@Controller()
export class TasksController {
  readonly #tasks: TasksService;

  constructor(tasks: TasksService) {
    this.#tasks = tasks;
  }

  @Route(taskRoutes.list)
  async list(): Promise<RouteOutput<typeof taskRoutes.list>> {
    return { tasks: await this.#tasks.list() };
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
  start(@Input(taskRoutes.start) { params }: In<'start'>): Promise<TaskView> {
    return this.#tasks.start(params.task);
  }

  @Route(taskRoutes.pause)
  pause(@Input(taskRoutes.pause) { params }: In<'pause'>): Promise<TaskView> {
    return this.#tasks.pause(params.task);
  }

  @Route(taskRoutes.resume)
  resume(@Input(taskRoutes.resume) { params }: In<'resume'>): Promise<TaskView> {
    return this.#tasks.resume(params.task);
  }

  @Route(taskRoutes.cancel)
  cancel(@Input(taskRoutes.cancel) { params }: In<'cancel'>): Promise<TaskView> {
    return this.#tasks.cancel(params.task);
  }
}
