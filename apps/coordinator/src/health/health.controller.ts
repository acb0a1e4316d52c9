/** Health, without authorisation. */
import { Controller, Res } from '@nestjs/common';
import type { Response } from 'express';
import { fingerprint } from '#core/crypto';
import { protocolVersion } from '#core/protocol';
import type { RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { packageVersion } from '../common/package-info.ts';
import { Route } from '../common/route.ts';
import { isDatabaseAlive } from '../config/database.ts';
import { DiskService } from '../operations/disk.service.ts';
import { OpeningGate } from '../operations/opening-gate.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { healthRoutes } from './health.contract.ts';

@Controller()
export class HealthController {
  readonly #environment: Environment;
  readonly #connections: ConnectionsService;
  readonly #gate: OpeningGate;
  readonly #disk: DiskService;

  constructor(
    environment: Environment,
    connections: ConnectionsService,
    gate: OpeningGate,
    disk: DiskService,
  ) {
    this.#environment = environment;
    this.#connections = connections;
    this.#gate = gate;
    this.#disk = disk;
  }

  @Route(healthRoutes.health)
  async health(
    @Res({ passthrough: true }) response: Response,
  ): Promise<RouteOutput<typeof healthRoutes.health>> {
    const { database, federation, keys } = this.#environment;
    const isAlive = await isDatabaseAlive(database);
    if (!isAlive) response.status(503);
    return {
      status: isAlive ? 'ok' : 'unavailable',
      version: packageVersion,
      protocol: protocolVersion,
      federation,
      coordinatorFingerprint: fingerprint(keys.signing.publicKey),
      database: isAlive ? 'ok' : 'unavailable',
      databaseKind: database.kind,
      uptimeSeconds: process.uptime(),
      connectedSites: this.#connections.count,
      isDraining: this.#gate.isDraining,
      disk: await this.#disk.look(),
    };
  }
}
