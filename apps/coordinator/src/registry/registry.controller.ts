/** REST of the registry. */
import { Controller, Res, StreamableFile } from '@nestjs/common';
import type { Response } from 'express';
import { adapterDigest } from '#core/adapter';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { downloadOf } from './adapter-download.ts';
import { registryRoutes } from './registry.contract.ts';
import { VersionsService } from './versions.service.ts';

type In<Name extends keyof typeof registryRoutes> = RouteInput<(typeof registryRoutes)[Name]>;
type Out<Name extends keyof typeof registryRoutes> = RouteOutput<(typeof registryRoutes)[Name]>;

@Controller()
export class RegistryController {
  readonly #versions: VersionsService;
  readonly #tasks: TaskStore;

  constructor(versions: VersionsService, tasks: TaskStore) {
    this.#versions = versions;
    this.#tasks = tasks;
  }

  @Route(registryRoutes.list)
  async list(@Input(registryRoutes.list) { params, query }: In<'list'>): Promise<Out<'list'>> {
    const task = await this.#tasks.get(params.task);
    const { items: versions, nextCursor } = await this.#versions.page(task, query);
    return { versions, nextCursor };
  }

  @Route(registryRoutes.get)
  async get(@Input(registryRoutes.get) { params }: In<'get'>): Promise<Out<'get'>> {
    return this.#versions.detail(await this.#tasks.get(params.task), params.version);
  }

  @Route(registryRoutes.download)
  async download(
    @Input(registryRoutes.download) { params, query }: In<'download'>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile> {
    const task = await this.#tasks.get(params.task);
    const record = await this.#versions.get(params.task, params.version);
    const native = await this.#versions.file(record);
    const { bytes, fileName, notes } = downloadOf({ native, record, ...query });
    response.setHeader('ETag', `"${adapterDigest(bytes)}"`);
    response.setHeader('Cache-Control', 'private, no-cache');
    const standing = [
      ...(task.promotedVersion === record.version ? ['promoted'] : []),
      ...(task.latestVersion === record.version ? ['latest'] : []),
    ];
    response.setHeader('Melo-Digest', record.adapterDigest);
    response.setHeader('Melo-Version', String(record.version));
    response.setHeader('Melo-Standing', standing.join(', ') || 'neither promoted nor latest');
    if (notes.length > 0) response.setHeader('Melo-Notes', notes.join('; '));
    if (record.leftSites.length > 0) {
      response.setHeader('Melo-Left-Sites', record.leftSites.join(', '));
    }
    return new StreamableFile(bytes, {
      type: 'application/octet-stream',
      disposition: `attachment; filename="${fileName}"`,
      length: bytes.length,
    });
  }
}
