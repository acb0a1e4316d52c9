/** REST of the audit log. */
import { Readable } from 'node:stream';
import { Controller, StreamableFile } from '@nestjs/common';
import { auditHeadSchema, decodePayload } from '#core/protocol';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { toJson } from '../common/json-envelope.ts';
import { Input, Route } from '../common/route.ts';
import { AuditChainService } from './audit-chain.service.ts';
import { exportAuditLog } from './audit-export.ts';
import { auditRoutes } from './audit.contract.ts';
import { AuditService } from './audit.service.ts';

@Controller()
export class AuditController {
  readonly #environment: Environment;
  readonly #audit: AuditService;
  readonly #chain: AuditChainService;

  constructor(environment: Environment, audit: AuditService, chain: AuditChainService) {
    this.#environment = environment;
    this.#audit = audit;
    this.#chain = chain;
  }

  @Route(auditRoutes.list)
  async list(
    @Input(auditRoutes.list) { query }: RouteInput<typeof auditRoutes.list>,
  ): Promise<RouteOutput<typeof auditRoutes.list>> {
    const { items: entries, nextCursor } = await this.#audit.list(query);
    return { entries, nextCursor };
  }

  @Route(auditRoutes.head)
  async head(): Promise<RouteOutput<typeof auditRoutes.head>> {
    const envelope = await this.#chain.head();
    const head = decodePayload(auditHeadSchema, envelope.payload, 'audit head');
    return {
      sequence: head.sequence,
      linkDigest: head.linkDigest,
      head: toJson(envelope),
    };
  }

  @Route(auditRoutes.export)
  export(): StreamableFile {
    const lines = exportAuditLog(this.#chain, this.#environment.keys.signing.publicKey);
    return new StreamableFile(Readable.from(lines, { objectMode: false, encoding: 'utf8' }), {
      type: 'application/x-ndjson',
      disposition: 'attachment; filename="audit.ndjson"',
    });
  }
}
